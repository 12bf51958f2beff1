import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { gridQuery } from "@/api/queries";
import type { GridColumn, StepView } from "@/api/types";
import { Card } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { plural } from "@/lib/format";
import { barHeights, usualSeconds } from "@/lib/grid";
import { useShortcut } from "@/lib/shortcuts";
import { Comparison } from "./GridCompare";
import { GridLegend } from "./GridLegend";
import styles from "./RunGrid.module.css";
import { GridRun } from "./GridRun";

type Props = { processId: string; steps: readonly StepView[]; shownRun: string | null; onOpen: (runId: string) => void; waitingFirst: boolean; inactive: boolean };

/** The last runs side by side: durations on top, steps below. Pointing compares, a click opens in place. */
export function RunGrid({ processId, steps, shownRun, onOpen, waitingFirst, inactive }: Props) {
  const grid = useQuery(gridQuery(processId));
  const columns = grid.data ?? [];
  return (
    <Card className={styles.card} aria-label="Last runs">
      <header className={styles.head}>
        <h2>{columns.length > 0 ? columns.length === 1 ? "The first run" : `Last ${plural(columns.length, "run")}` : "Runs"}</h2>
        {columns.length > 0 && <span>all keys · duration above, steps below · click a column to open the run</span>}
      </header>
      {grid.isPending && <Loading rows={3} label="Loading the last runs" />}
      {grid.isError && <Problem compact error={grid.error} onRetry={() => void grid.refetch()} />}
      {grid.isSuccess && columns.length === 0 && (
        <Empty icon="play" title={waitingFirst ? "No run yet" : "The first runs appear here"}>
          {inactive ? "This process is not active: switch it on in its editor, then it can be checked." : "Press Check to start the first one."}
        </Empty>
      )}
      {columns.length > 0 && <Columns columns={columns} steps={steps} shownRun={shownRun} onOpen={onOpen} />}
    </Card>
  );
}

type ColumnsProps = Pick<Props, "steps" | "shownRun" | "onOpen"> & { columns: GridColumn[] };

function Columns({ columns, steps, shownRun, onOpen }: ColumnsProps) {
  const [pointed, setPointed] = useState<string | null>(null);
  const [focused, setFocused] = useState<string | null>(null);
  const scroll = useRef<HTMLDivElement>(null);
  const usual = usualSeconds(columns);
  const heights = barHeights(columns);
  const shown = columns.find((column) => column.run_id === shownRun) ?? null;
  const other = columns.find((column) => column.run_id === (pointed ?? focused)) ?? null;
  // One stop for the Tab key; arrow keys move between the columns.
  const stop = focused ?? shown?.run_id ?? columns.at(-1)?.run_id ?? null;
  const focusRun = (runId: string | undefined) => scroll.current?.querySelector<HTMLElement>(`[data-run="${CSS.escape(runId ?? "")}"]`)?.focus();
  useShortcut("g", () => focusRun(stop ?? undefined));
  const count = columns.length;
  useEffect(() => {
    if (scroll.current) scroll.current.scrollLeft = scroll.current.scrollWidth;
  }, [count]);

  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = columns.findIndex((column) => column.run_id === focused);
    focusRun(columns[Math.min(count - 1, Math.max(0, at + step))]?.run_id);
  };
  return (
    <>
      <div className={styles.grid} style={{ "--runs": count } as React.CSSProperties}>
        <div className={styles.names} aria-hidden="true">
          <span className={styles.barSpace} />
          {steps.map((step) => (
            <span key={step.step_id} title={step.name}>
              {step.name}
            </span>
          ))}
          <span className={styles.started}>Started</span>
        </div>
        <div ref={scroll} className={styles.columns} role="group" aria-label="Runs, oldest first" onKeyDown={onKeyDown} onMouseLeave={() => setPointed(null)}>
          {columns.map((column, index) => (
            <GridRun
              key={column.run_id}
              column={column}
              steps={steps}
              usual={usual}
              runs={count}
              height={heights[index]!}
              current={column.run_id === shownRun}
              tabStop={column.run_id === stop}
              onOpen={onOpen}
              onPoint={setPointed}
              onFocus={setFocused}
            />
          ))}
        </div>
        <Comparison steps={steps} shown={shown} other={other?.run_id === shown?.run_id ? null : other} />
      </div>
      <GridLegend kept={columns.some((column) => column.kept.length > 0)} />
    </>
  );
}
