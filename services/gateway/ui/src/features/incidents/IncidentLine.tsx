import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { Incident } from "@/api/types";
import { lineClass, ListLine } from "@/components/ListLine";
import { Sign } from "@/components/Sign";
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
  const hands = (
    <>
      <Sign tone={tone}>{word}</Sign>
      {incident.acknowledged_by && !over && <small>{incident.acknowledged_by}</small>}
    </>
  );
  const since = (
    <>
      <div>{over && incident.resolved_at ? <Ago at={incident.resolved_at} /> : <>for <Stood since={incident.opened_at} /></>}</div>
      <small className={styles.quiet}>{plural(incident.runs, "run")}</small>
    </>
  );
  return (
    <ListLine status={over ? "success" : incident.status} aside={hands} asideClass={styles.hands} when={since}>
      <Link to="/incidents/$incidentId" params={{ incidentId: incident.incident_id }} className={lineClass.title}>
        {incident.title}
      </Link>
      {incident.message && <p className={lineClass.says}>{incident.message}</p>}
      <p className={lineClass.says}>
        {reach(incident)}:{" "}
        {named.map((one, index) => (
          <span key={one.process_id}>
            {index > 0 && ", "}
            <Link to="/processes/$processId" params={{ processId: one.process_id }} className={lineClass.above}>
              {one.process_name}
            </Link>
          </span>
        ))}
        {more > 0 && ` and ${more} more`}
      </p>
    </ListLine>
  );
});
