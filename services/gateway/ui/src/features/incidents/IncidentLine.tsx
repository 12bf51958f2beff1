import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { Incident } from "@/api/types";
import { Sign } from "@/components/Sign";
import { StatusIcon } from "@/components/Status";
import { Ago, Stood } from "@/components/Time";
import { plural } from "@/lib/format";
import { incidentState, reach } from "@/lib/incidents";
import styles from "./Incidents.module.css";

const NAMED_PROCESSES = 3;

export const IncidentLine = memo(function IncidentLine({ incident }: { incident: Incident }) {
  const { tone, word } = incidentState(incident.state);
  const over = incident.state === "resolved";
  const named = incident.processes.slice(0, NAMED_PROCESSES);
  const more = incident.process_count - named.length;
  return (
    <li className={styles.line}>
      <StatusIcon status={over ? "success" : incident.status} label />
      <div className={styles.what}>
        <Link to="/incidents/$incidentId" params={{ incidentId: incident.incident_id }} className={styles.name}>
          {incident.title}
        </Link>
        {incident.message && <p className={styles.says}>{incident.message}</p>}
        <p className={styles.says}>
          {reach(incident)}:{" "}
          {named.map((one, index) => (
            <span key={one.process_id}>
              {index > 0 && ", "}
              <Link to="/processes/$processId" params={{ processId: one.process_id }} className={styles.above}>
                {one.process_name}
              </Link>
            </span>
          ))}
          {more > 0 && ` and ${more} more`}
        </p>
      </div>
      <div className={styles.hands}>
        <Sign tone={tone}>{word}</Sign>
        {incident.acknowledged_by && !over && <small>{incident.acknowledged_by}</small>}
      </div>
      <div className={styles.when}>
        <div>{over && incident.resolved_at ? <Ago at={incident.resolved_at} /> : <>for <Stood since={incident.opened_at} /></>}</div>
        <small>{plural(incident.runs, "run")}</small>
      </div>
    </li>
  );
});
