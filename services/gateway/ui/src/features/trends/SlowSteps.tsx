import type { StepFigures } from "@/api/types";
import { Button } from "@/components/Button";
import { Card } from "@/components/Page";
import { type Column, RowTable } from "@/components/RowTable";
import { formatDuration } from "@/lib/format";
import { percent, slowestFirst } from "@/lib/trends";
import styles from "./Trends.module.css";

/** Steps in the order in which they cost time. One of them can be looked at alone. */
export function SlowSteps({ steps, chosen, onChoose }: { steps: readonly StepFigures[]; chosen: string | undefined; onChoose: (stepId: string | undefined) => void }) {
  const most = Math.max(...steps.map((step) => step.p95_seconds ?? 0), 0.000_001);
  const columns: Column<StepFigures>[] = [
    {
      title: "Step",
      cell: (step) => (
        <>
          <span className={styles.number}>{step.number}</span> <b>{step.name}</b>
        </>
      ),
    },
    { title: "Slowest first", look: "fill", cell: (step) => <Bars step={step} most={most} /> },
    { title: "p50", look: "end", cell: ({ p50_seconds }) => formatDuration(p50_seconds) },
    { title: "p95", look: "end", cell: ({ p95_seconds }) => formatDuration(p95_seconds) },
    { title: "Success", look: "end", cell: ({ success_rate }) => percent(success_rate) },
    { title: "Retries", look: "end", cell: ({ retries }) => retries.toLocaleString("en") },
    {
      title: "What to do",
      look: "act",
      cell: (step) => (
        <Button look="quiet" aria-pressed={step.step_id === chosen} aria-label={`${step.step_id === chosen ? "Whole runs" : "Trend"}: ${step.name}`} onClick={() => onChoose(step.step_id === chosen ? undefined : step.step_id)}>
          {step.step_id === chosen ? "Whole runs" : "Trend"}
        </Button>
      ),
    },
  ];
  return (
    <Card aria-label="Steps by duration">
      <h2 className={styles.heading}>Where the time goes</h2>
      <RowTable label="Slow steps" columns={columns} rows={slowestFirst(steps)} keyOf={(step) => step.step_id} />
    </Card>
  );
}

function Bars({ step, most }: { step: StepFigures; most: number }) {
  return (
    <span className={styles.bars} aria-hidden="true">
      <i className={styles.barP95} style={{ width: `${((step.p95_seconds ?? 0) / most) * 100}%` }} />
      <i className={styles.barP50} style={{ width: `${((step.p50_seconds ?? 0) / most) * 100}%` }} />
    </span>
  );
}
