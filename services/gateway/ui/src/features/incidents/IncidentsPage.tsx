import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { incidentsQuery, NOT_OVER } from "@/api/incidents";
import type { IncidentState } from "@/api/types";
import { useMay } from "@/api/useMe";
import { buttonClass } from "@/components/Button";
import { Listing } from "@/components/Listing";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Empty } from "@/components/States";
import { SubNav } from "@/components/SubNav";
import type { IncidentsSearch } from "@/lib/search";
import { IncidentLine } from "./IncidentLine";
import styles from "./Incidents.module.css";

const VIEWS: readonly { name: string; state?: IncidentsSearch["state"]; asks?: IncidentState[] }[] = [
  { name: "Not over", asks: NOT_OVER },
  { name: "In hand", state: "acknowledged", asks: ["acknowledged"] },
  { name: "Resolved", state: "resolved", asks: ["resolved"] },
  { name: "All", state: "all" },
];

/** What is wrong now: one line for each root cause, what waits for somebody first. */
export function IncidentsPage() {
  const search = useSearch({ from: "/inside/incidents" });
  const view = VIEWS.find(({ state }) => state === search.state) ?? VIEWS[0]!;
  const query = useInfiniteQuery(incidentsQuery({ state: view.asks, process_id: search.process_id }));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title="Incidents">
      <PageHead title="Incidents" about="What is wrong, once for each cause, however many runs it stops." />
      <SubNav label="Incidents">
        {VIEWS.map(({ name, state }) => (
          <Link key={name} to="/incidents" search={{ state, process_id: search.process_id }} aria-current={state === search.state ? "page" : undefined}>
            {name}
          </Link>
        ))}
      </SubNav>
      {search.process_id && (
        <p className={styles.only}>
          Only those of{" "}
          <Link to="/processes/$processId" params={{ processId: search.process_id }}>
            {search.process_id}
          </Link>
          .{" "}
          <Link to="/incidents" search={{ state: search.state }}>
            Show all
          </Link>
        </p>
      )}
      <Card aria-label="Incidents">
        <Listing read={query} count={rows.length} label="incidents" empty={<Nothing state={search.state} ofProcess={search.process_id !== undefined} />}>
          <ul>
            {rows.map((row) => (
              <IncidentLine key={row.incident_id} incident={row} />
            ))}
          </ul>
        </Listing>
      </Card>
    </Page>
  );
}

function Nothing({ state, ofProcess }: { state: IncidentsSearch["state"]; ofProcess: boolean }) {
  const mayTell = useMay("channels.write");
  if (ofProcess) return <Empty icon="filter" title="No incident of this process">Show those of all processes, or look under another heading above.</Empty>;
  if (state === "acknowledged") return <Empty title="Nobody has an incident in hand">Open one that waits and acknowledge it: everybody sees who looks after it, and nobody is reminded.</Empty>;
  if (state === "resolved") return <Empty title="No incident has been resolved yet">An incident resolves by itself when everything it stopped has passed again.</Empty>;
  return (
    <Empty icon="check" title="Nothing is wrong">
      <p>When runs fail, their common cause will stand here: a system that cannot be reached, an account that is refused, a step that is overdue.</p>
      {mayTell && (
        <p className={styles.hint}>
          <Link to="/notifications" search={{ tab: "rules" }} className={buttonClass()}>
            Be told of incidents
          </Link>
        </p>
      )}
    </Empty>
  );
}
