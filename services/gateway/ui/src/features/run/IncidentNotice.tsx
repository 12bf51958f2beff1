import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { incidentsQuery, NOT_OVER } from "@/api/incidents";
import { Sign } from "@/components/Sign";
import { incidentState } from "@/lib/incidents";
import styles from "./IncidentNotice.module.css";

const SHOWN = 3;

/** The incidents that this process stands in now, each a line that leads there. */
export function IncidentNotice({ processId }: { processId: string }) {
  const query = useInfiniteQuery(incidentsQuery({ state: NOT_OVER, process_id: processId }, SHOWN));
  const standing = query.data?.pages[0]?.items.filter(({ processes }) => processes.every((one) => one.process_id !== processId || one.keys_open > 0)) ?? [];
  if (standing.length === 0) return null;
  return (
    <ul className={styles.list} aria-label="Open incidents">
      {standing.map((incident) => (
        <li key={incident.incident_id}>
          <Sign tone={incidentState(incident.state).tone}>incident {incidentState(incident.state).word}</Sign>
          <Link to="/incidents/$incidentId" params={{ incidentId: incident.incident_id }} title={incident.title}>
            {incident.title}
          </Link>
        </li>
      ))}
    </ul>
  );
}
