import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { ProcessRow } from "@/api/types";
import { StatusBadge } from "@/components/Status";
import { Strip } from "@/components/Strip";
import { Ago } from "@/components/Time";
import { Underway } from "@/components/Underway";
import { plural, unparted } from "@/lib/format";
import { withoutVerdict } from "@/lib/overview";
import styles from "./ProcessesPage.module.css";

type Filter = { category: string } | { tag: string } | { owner: string };
type Props = { row: ProcessRow; mayWrite: boolean; onPick: (runId: string) => void; onFilter: (filter: Filter) => void };

export const ProcessLine = memo(function ProcessLine({ row, mayWrite, onPick, onFilter }: Props) {
  const { state } = row;
  const running = (state.running ?? 0) > 0;
  return (
    <div className={styles.line} role="row">
      <div role="cell" className={styles.state}>
        {(state.last_status || !running) && <StatusBadge status={state.last_status} />}
        {running && <Underway running={state.running ?? 0} slowAt={row.slow_at} />}
      </div>
      <div role="cell" className={styles.process}>
        <Link to="/processes/$processId" params={{ processId: row.process_id }} className={styles.name}>
          {row.name}
        </Link>
        {!row.active && <span className={styles.off}>not active</span>}
        {mayWrite && (
          <span className={styles.write}>
            <Link to="/processes/$processId/edit" params={{ processId: row.process_id }} aria-label={`Edit ${row.name}`}>
              Edit
            </Link>
            <Link to="/processes/new" search={{ from: row.process_id }} aria-label={`Duplicate ${row.name}`}>
              Duplicate
            </Link>
          </span>
        )}
        <div className={styles.labels}>
          {row.category && <Label onClick={() => onFilter({ category: row.category! })}>{row.category}</Label>}
          {(row.tags ?? []).map((tag) => (
            <Label key={tag} onClick={() => onFilter({ tag })}>
              #{tag}
            </Label>
          ))}
          {row.owner && <Label onClick={() => onFilter({ owner: row.owner! })}>{row.owner}</Label>}
          <span>{plural(row.step_count, "step")}</span>
        </div>
      </div>
      <div role="cell" className={styles.verdict}>
        {state.last_key && <b>{state.last_key} </b>}
        {state.last_verdict ? unparted(state.last_verdict) : <span className={styles.never}>{withoutVerdict(state).says}</span>}
      </div>
      <div role="cell" className={styles.last}>
        {state.last_run_at ? <Ago at={state.last_run_at} /> : "–"}
        {row.next_run_at && (
          <div>
            next <Ago at={row.next_run_at} due />
          </div>
        )}
      </div>
      <div role="cell" className={styles.strip}>
        <Strip recent={state.recent ?? []} onPick={onPick} />
      </div>
    </div>
  );
});

function Label({ onClick, children }: { onClick: () => void; children: React.ReactNode }) {
  return (
    <button type="button" className={styles.label} onClick={onClick}>
      {children}
    </button>
  );
}
