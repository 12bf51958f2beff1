import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { acceptRights, connectionQuery, connectionSchemaQuery, deleteConnection, saveConnection, testConnection } from "@/api/connections";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Facts } from "@/components/DataTable";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Loading, Problem } from "@/components/States";
import { Ago } from "@/components/Time";
import { kindName, kindsOfConnection, targetOf } from "@/lib/connection";
import { labelOf } from "@/lib/schema";
import { ConnectionForm } from "./ConnectionForm";
import styles from "./Connections.module.css";
import { DeleteConnection } from "./DeleteConnection";
import { RightsWords } from "./Rights";
import { TestResult } from "./TestResult";
import { UsedBy, useUsers } from "./UsedBy";

export function ConnectionPage() {
  const { connectionId } = useParams({ from: "/inside/connections/$connectionId" });
  const navigate = useNavigate();
  const queries = useQueryClient();
  const mayWrite = useMay("connections.write");
  const mayTest = useMay("connections.test");
  const [dirty, setDirty] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const use = useUsers(connectionId);
  const query = useQuery(connectionQuery(connectionId));
  const schema = useQuery(connectionSchemaQuery);
  const refresh = () => queries.invalidateQueries({ queryKey: ["connections"] });
  const test = useMutation({ mutationFn: () => testConnection(connectionId), onSettled: refresh });
  const accept = useMutation({ mutationFn: () => acceptRights(connectionId), onSettled: refresh });
  const connection = query.data;
  const failure = query.error ?? schema.error;
  if (!connection || !schema.data) {
    return (
      <Page title="Connection" heading>
        {failure ? <Problem error={failure} onRetry={() => void Promise.all([query.refetch(), schema.refetch()])} /> : <Loading rows={8} label="Loading the connection" />}
      </Page>
    );
  }
  const kind = connection.settings.kind;
  const form = kindsOfConnection(schema.data).find(([name]) => name === kind)?.[1];
  return (
    <Page title={connection.name}>
      <CrumbTrail>
        <Link to="/connections">Connections</Link>
        <span>{connection.name}</span>
      </CrumbTrail>
      <PageHead
        title={connection.name}
        about={
          <>
            {kindName(kind)} · <code>{targetOf(connection.settings)}</code> · changed <Ago at={connection.updated_at} /> by {connection.updated_by}
          </>
        }
      >
        {mayWrite && (
          <Button look="danger" onClick={() => setDeleting(true)}>
            Delete
          </Button>
        )}
      </PageHead>
      <div className={styles.two}>
        <Card>
          {mayWrite && form ? (
            <ConnectionForm
              key={connection.version}
              root={schema.data}
              kind={kind}
              schema={form}
              connection={connection}
              onDirty={setDirty}
              onSave={async (body) => {
                queries.setQueryData(connectionQuery(connectionId).queryKey, await saveConnection(body, connection.version));
                setDirty(false);
                test.reset();
                await refresh();
              }}
            />
          ) : (
            <div className={styles.form}>
              {connection.description && <p>{connection.description}</p>}
              <Facts facts={factsOf(connection.settings as unknown as Record<string, unknown>)} />
            </div>
          )}
        </Card>
        <Card aria-label="Account and test">
          <div className={styles.side}>
            <h2>Account</h2>
            <RightsWords rights={connection.rights} kind={kind} {...(mayWrite && { accepting: { busy: accept.isPending, onAccept: () => accept.mutate() } })} />
            {accept.error && <Problem compact error={accept.error} />}
            {mayTest && (
              <>
                <Button busy={test.isPending} disabled={dirty} onClick={() => test.mutate()}>
                  {test.isPending ? "A worker is trying it…" : "Test connection"}
                </Button>
                {dirty && <p>Save first: what is saved is what is tested.</p>}
              </>
            )}
            <div aria-live="polite">
              {test.data && <TestResult result={test.data} />}
              {!test.data && connection.rights.failure != null && <TestResult result={{ ok: false, message: connection.rights.failure }} at={connection.rights.failed_at} />}
              {test.error && <Problem compact error={test.error} />}
            </div>
            <h2>Used by</h2>
            <UsedBy {...use} />
          </div>
        </Card>
      </div>
      {deleting && (
        <DeleteConnection
          connection={connection}
          use={use}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await deleteConnection(connectionId);
            await navigate({ to: "/connections" });
            await refresh();
          }}
        />
      )}
    </Page>
  );
}

function factsOf(settings: Record<string, unknown>): [string, unknown][] {
  return Object.entries(settings)
    .filter(([, value]) => value !== null && value !== "" && !(typeof value === "object" && Object.keys(value ?? {}).length === 0))
    .map(([name, value]) => [labelOf(name), value]);
}
