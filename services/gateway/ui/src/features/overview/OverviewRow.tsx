import { Link } from "@tanstack/react-router";
import clsx from "clsx";
import { memo } from "react";
import type { ProcessRow } from "@/api/types";
import { Icon } from "@/components/Icon";
import { StatusIcon } from "@/components/Status";
import { Strip } from "@/components/Strip";
import { Ago } from "@/components/Time";
import { Underway } from "@/components/Underway";
import { useNow } from "@/lib/clock";
import { formatExact, oneUnit, unparted } from "@/lib/format";
import { standing, withoutVerdict } from "@/lib/overview";
import { usePreferences } from "@/lib/preferences";
import { tone, word } from "@/lib/status";
import styles from "./OverviewPage.module.css";

/** One process: what its last run says, since when, and the runs before it. */
export const OverviewRow = memo(function OverviewRow({ row, onPick }: { row: ProcessRow; onPick: (runId: string) => void }) {
  const { state } = row;
  const busy = (state.running ?? 0) > 0;
  return (
    <div className={clsx(styles.row, `tone-${tone(state.last_status)}`)}>
      <StatusIcon status={busy && !state.last_status ? "running" : state.last_status} label />
      <div className={styles.who}>
        <div className={styles.name}>
          <Link to="/processes/$processId" params={{ processId: row.process_id }}>
            {row.name}
          </Link>
          {busy && <Underway running={state.running ?? 0} slowAt={row.slow_at} />}
          {row.incident && (
            <Link to="/incidents/$incidentId" params={{ incidentId: row.incident.incident_id }} className={styles.incident} title={row.incident.title} aria-label={`Incident of ${row.name}: ${row.incident.title}`}>
              <Icon name="bell" size={12} /> {row.incident.state === "acknowledged" ? "in hand" : "incident"}
            </Link>
          )}
        </div>
        <p className={styles.says}>
          {state.last_key && <b>{state.last_key}</b>}
          {unparted(state.last_verdict ?? (busy ? undefined : row.description) ?? withoutVerdict(state).says)}
        </p>
      </div>
      <div className={styles.strip}>
        <Strip recent={state.recent ?? []} onPick={onPick} />
      </div>
      <div className={styles.since}>
        <div className={styles.stands}>{state.last_status ? <Standing state={state} /> : withoutVerdict(state).standing}</div>
        <div className={styles.last}>
          {state.last_run_at && (
            <>
              checked <Ago at={state.last_run_at} />
            </>
          )}
          {row.next_run_at && (
            <>
              {state.last_run_at ? " · " : ""}next <Ago at={row.next_run_at} due />
            </>
          )}
        </div>
      </div>
    </div>
  );
});

export function Standing({ state }: { state: ProcessRow["state"] }) {
  const now = useNow();
  const { zone } = usePreferences();
  if (!state.since) return <>{word(state.last_status)}</>;
  const seconds = Math.max(0, (now - Date.parse(state.since)) / 1000);
  return (
    <span title={`since ${formatExact(state.since, zone)}`}>
      {standing(state.last_status)} {oneUnit(seconds)}
    </span>
  );
}
