import { Link } from "@tanstack/react-router";
import type { IncidentView } from "@/api/types";
import { Ago } from "@/components/Time";
import { lineText } from "@/lib/incidents";
import styles from "./Incidents.module.css";

/** What happened to it, newest first. */
export function Timeline({ incident }: { incident: IncidentView }) {
  return (
    <ol className={styles.timeline}>
      {incident.timeline.map((line) => (
        <li key={line.number}>
          <div>
            {lineText(line)}
            {line.run_id && (
              <>
                {" · "}
                <Link to="/runs/$runId" params={{ runId: line.run_id }}>
                  run
                </Link>
              </>
            )}
          </div>
          {line.note && <p className={styles.note}>“{line.note}”</p>}
          <small>
            <Ago at={line.at} />
          </small>
        </li>
      ))}
    </ol>
  );
}
