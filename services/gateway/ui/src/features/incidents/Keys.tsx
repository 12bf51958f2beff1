import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { startRun } from "@/api/commands";
import { incidentKeysQuery } from "@/api/incidents";
import type { AffectedKey, IncidentView } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { Listing } from "@/components/Listing";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { plural } from "@/lib/format";
import { clearedText } from "@/lib/incidents";
import styles from "./Incidents.module.css";

/** Every process and key that met the cause, each with its newest run, and whether it has passed since. */
export function Keys({ incident }: { incident: IncidentView }) {
  const mayStart = useMay("runs.start");
  const query = useInfiniteQuery(incidentKeysQuery(incident.incident_id));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const columns: Column<AffectedKey>[] = [
    { title: "Process and key", look: "fill", cell: (row) => <Who row={row} /> },
    { title: "Step", cell: (row) => `${row.step_number} ${row.step_name}` },
    { title: "Newest run", cell: (row) => <Newest row={row} /> },
    { title: "Now", cell: (row) => <Sign tone={row.cleared_at ? (row.cleared_by === "passed" ? "ok" : "cancelled") : "failed"}>{clearedText(row.cleared_by)}</Sign> },
  ];
  if (mayStart) columns.push({ title: "What to do", look: "act", cell: (row) => (row.cleared_at ? null : <Again row={row} />) });
  return (
    <Listing read={query} count={rows.length} label="keys" rows={3} empty={<Empty title="Nothing is listed any more">What left an incident is kept for 90 days.</Empty>}>
      <RowTable label="Whom it stops" columns={columns} rows={rows} keyOf={(row) => JSON.stringify([row.process_id, row.key])} />
    </Listing>
  );
}

function Who({ row }: { row: AffectedKey }) {
  const process = (
    <Link to="/processes/$processId" params={{ processId: row.process_id }}>
      {row.process_name}
    </Link>
  );
  return <Named name={process} about={row.key} />;
}

function Newest({ row }: { row: AffectedKey }) {
  const shown = row.cleared_run_id ?? row.last_run_id;
  return (
    <>
      <Link to="/runs/$runId" params={{ runId: shown }}>
        <Ago at={row.cleared_run_id && row.cleared_at ? row.cleared_at : row.last_seen_at} />
      </Link>
      <small className={styles.quiet}> · {plural(row.runs, "bad run")}</small>
    </>
  );
}

/** Goes on from the step that failed, with the values captured before it. */
function Again({ row }: { row: AffectedKey }) {
  const again = useMutation({ mutationFn: () => startRun({ process_id: row.process_id, from_run: row.last_run_id, from_step: row.step_id }) });
  if (again.isSuccess) {
    return (
      <Link to="/runs/$runId" params={{ runId: again.data.run_id }}>
        Checking…
      </Link>
    );
  }
  return (
    <>
      {again.isError && (
        <span role="alert" className={styles.refused}>
          {again.error.message}
        </span>
      )}
      <Button busy={again.isPending} onClick={() => again.mutate()} aria-label={`Check again: ${row.key ?? row.process_name}`} title={`From step ${row.step_number}, with the values captured before`}>
        Check again
      </Button>
    </>
  );
}
