import type { GridColumn, StepView } from "@/api/types";
import { formatDuration } from "@/lib/format";
import { cellStatus, isKept } from "@/lib/grid";
import { word } from "@/lib/status";
import styles from "./RunGrid.module.css";

/** Beside the grid: the durations of the shown run, and against them those of the run that is pointed at. */
export function Comparison({ steps, shown, other }: { steps: readonly StepView[]; shown: GridColumn | null; other: GridColumn | null }) {
  return (
    <div className={styles.compare} aria-hidden="true">
      <span className={styles.barSpace}>
        <span>
          {other ? (
            <>
              {formatDuration(other.duration_seconds)} <em>against {formatDuration(shown?.duration_seconds)}</em>
            </>
          ) : (
            shown && formatDuration(shown.duration_seconds)
          )}
        </span>
      </span>
      {steps.map((step) => (
        <span key={step.step_id}>
          {other ? (
            <>
              {cellText(other, step.step_id)} <em>{cellText(shown, step.step_id)}</em>
            </>
          ) : (
            <em>{cellText(shown, step.step_id)}</em>
          )}
        </span>
      ))}
    </div>
  );
}

/** The duration of a step that passed, else its state. */
function cellText(column: GridColumn | null, step: string): string {
  const status = column && cellStatus(column, step);
  if (!status) return "–";
  if (isKept(column, step)) return "kept";
  const seconds = column.step_seconds[step];
  return status === "success" && seconds !== undefined ? formatDuration(seconds) : word(status);
}
