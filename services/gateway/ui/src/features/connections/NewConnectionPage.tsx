import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { connectionSchemaQuery, createConnection } from "@/api/connections";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Empty, Loading, Problem } from "@/components/States";
import { kindGroups, kindName, kindsOfConnection } from "@/lib/connection";
import { ConnectionForm } from "./ConnectionForm";
import styles from "./Connections.module.css";
import { KindIcon } from "./KindIcon";

/** First the kind, then its form. */
export function NewConnectionPage() {
  const { kind } = useSearch({ from: "/inside/connections/new" });
  const navigate = useNavigate();
  const queries = useQueryClient();
  const mayWrite = useMay("connections.write");
  const schema = useQuery({ ...connectionSchemaQuery, enabled: mayWrite });
  const kinds = schema.data ? kindsOfConnection(schema.data) : [];
  const chosen = kinds.find(([name]) => name === kind);
  const choose = (next: string | undefined) => void navigate({ to: "/connections/new", search: next ? { kind: next } : {} });
  return (
    <Page title="New connection">
      <CrumbTrail>
        <Link to="/connections">Connections</Link>
        <span>New</span>
      </CrumbTrail>
      <PageHead title={chosen ? `New connection: ${kindName(chosen[0])}` : "New connection"} about={chosen ? undefined : "What does it lead to?"}>
        {chosen && <Button onClick={() => choose(undefined)}>Another kind</Button>}
      </PageHead>
      {!mayWrite && <Empty icon="lock" title="Connections are made by editors">Ask someone with the role editor or admin.</Empty>}
      {mayWrite && schema.isPending && <Loading label="Loading the kinds" />}
      {schema.isError && <Problem error={schema.error} onRetry={() => void schema.refetch()} />}
      {schema.data && !chosen && (
        <div className={styles.groups}>
          {kindGroups(kinds.map(([name]) => name)).map(([title, members]) => (
            <section key={title} aria-label={title}>
              <h2>{title}</h2>
              <ul className={styles.kinds}>
                {members.map((name) => (
                  <li key={name}>
                    <button type="button" className={styles.choice} onClick={() => choose(name)}>
                      <span className={styles.kind}>
                        <KindIcon kind={name} />
                      </span>
                      <b>{kindName(name)}</b>
                    </button>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
      {schema.data && chosen && (
        <Card className={styles.narrow}>
          <ConnectionForm
            key={chosen[0]}
            root={schema.data}
            kind={chosen[0]}
            schema={chosen[1]}
            onSave={async (body) => {
              const made = await createConnection(body);
              await queries.invalidateQueries({ queryKey: ["connections"] });
              await navigate({ to: "/connections/$connectionId", params: { connectionId: made.connection_id } });
            }}
          />
        </Card>
      )}
    </Page>
  );
}
