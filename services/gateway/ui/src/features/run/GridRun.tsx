import clsx from "clsx";
import { memo } from "react";
import type { GridColumn, StepView, StepStatus } from "@/api/types";
import { TriggerIcon, triggerWords } from "@/components/Trigger";
import { serverNow } from "@/lib/clock";
import { formatAgo, formatDuration } from "@/lib/format";
import { cellStatus, isKept, slowCell } from "@/lib/grid";
import { isOpenRun, isTrouble, tone, word } from "@/lib/status";
import styles from "./RunGrid.module.css";

type Props = {
  column: GridColumn;
  steps: readonly StepView[];
  usual: Record<string, number>;
  runs: number;
  height: number;
  current: boolean;
  tabStop: boolean;
  onOpen: (runId: string) => void;
  onPoint: (runId: string) => void;
  onFocus: (runId: string | null) => void;
};

/** One run as a column. */
export const GridRun = memo(function GridRun(props: Props) {
  const { column, steps, current } = props;
  return (
    <button
      type="button"
      className={clsx(styles.column, current && styles.current)}
      data-run={column.run_id}
      data-status={column.status}
      tabIndex={props.tabStop ? 0 : -1}
      aria-label={labelOf(column, steps)}
      aria-current={current ? "true" : undefined}
      title={titleOf(column)}
      onClick={() => props.onOpen(column.run_id)}
      onMouseEnter={() => props.onPoint(column.run_id)}
      onFocus={() => props.onFocus(column.run_id)}
      onBlur={() => props.onFocus(null)}
    >
      <span className={styles.barSpace}>
        <i className={clsx(styles.bar, `tone-${tone(column.status)}`, column.status !== "success" && styles.coloured, isOpenRun(column.status) && styles.open)} style={{ height: `${props.height * 100}%` }} />
      </span>
      {steps.map((step) => (
        <i key={step.step_id} className={clsx(styles.cell, cellClass(props, step.step_id))} />
      ))}
      <span className={styles.how}>
        <TriggerIcon trigger={column.trigger} size={11} />
      </span>
    </button>
  );
});

function cellClass({ column, usual, runs }: Props, step: string): string | undefined {
  const status = cellStatus(column, step);
  if (!status) return styles.absent;
  if (slowCell(column, step, usual, runs)) return styles.slow;
  return clsx(styles[tone(status)], isKept(column, step) && styles.kept);
}

function titleOf(column: GridColumn): string {
  return [column.key, word(column.status), formatAgo(column.queued_at, serverNow()), column.duration_seconds != null ? formatDuration(column.duration_seconds) : null, triggerWords(column.trigger)]
    .filter(Boolean)
    .join(" · ");
}

function labelOf(column: GridColumn, steps: readonly StepView[]): string {
  const bad = steps.filter((step) => isTrouble((column.steps[step.step_id] ?? "success") as StepStatus));
  const where = bad.map((step) => `step ${step.number} ${word(column.steps[step.step_id] as StepStatus)}`).join(", ");
  return `Run ${column.key ?? ""} ${word(column.status)}, ${formatAgo(column.queued_at, serverNow())}${where ? `, ${where}` : ""}`;
}
