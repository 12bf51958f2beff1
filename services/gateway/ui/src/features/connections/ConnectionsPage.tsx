import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { connectionsQuery } from "@/api/connections";
import type { Connection } from "@/api/types";
import { useMay } from "@/api/useMe";
import { buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { kindName, targetOf } from "@/lib/connection";
import { labelOf } from "@/lib/schema";
import styles from "./Connections.module.css";
import { KindIcon } from "./KindIcon";
import { RightsSign } from "./Rights";

const COLUMNS: Column<Connection>[] = [
  {
    title: "Connection",
    cell: ({ connection_id, name, settings }) => (
      <div className={styles.name}>
        <span className={styles.kind}>
          <KindIcon kind={settings.kind} />
        </span>
        <Named
          name={
            <Link to="/connections/$connectionId" params={{ connectionId: connection_id }}>
              {name}
            </Link>
          }
          about={connection_id}
        />
      </div>
    ),
  },
  { title: "Kind", cell: ({ settings }) => kindName(settings.kind) },
  { title: "Leads to", look: "fill", cell: ({ settings }) => <code>{targetOf(settings)}</code> },
  { title: "Account", cell: ({ rights }) => <RightsSign rights={rights} /> },
  { title: "Secrets", cell: ({ secrets }) => <SecretsHeld secrets={secrets} /> },
  { title: "Changed", look: "end", cell: ({ updated_at, updated_by }) => <Named name={<Ago at={updated_at} />} about={`by ${updated_by}`} /> },
];

export function ConnectionsPage() {
  const mayWrite = useMay("connections.write");
  const query = useInfiniteQuery(connectionsQuery);
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title="Connections">
      <PageHead title="Connections" about="What the steps of processes lead to: addresses, accounts, and sealed secrets that only workers can open.">
        {mayWrite && (
          <Link to="/connections/new" className={buttonClass()}>
            <Icon name="plus" /> New connection
          </Link>
        )}
      </PageHead>
      <Card aria-label="List of connections">
        <Listing
          read={query}
          count={rows.length}
          label="connections"
          empty={
            <Empty icon="plug" title="There are no connections yet">
              A connection holds an address and its credentials once, for every step that needs them.
            </Empty>
          }
        >
          <RowTable label="Connections" columns={COLUMNS} rows={rows} keyOf={(row) => row.connection_id} />
        </Listing>
      </Card>
    </Page>
  );
}

function SecretsHeld({ secrets }: { secrets: Connection["secrets"] }) {
  const held = Object.entries(secrets).filter(([, state]) => state.set);
  if (held.length === 0) return <span className={styles.quiet}>none</span>;
  return (
    <span className={styles.held}>
      <Icon name="lock" size={14} /> {held.map(([name]) => labelOf(name)).join(", ")}
    </span>
  );
}
