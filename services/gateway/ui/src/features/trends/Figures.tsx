import type { ProcessFigures } from "@/api/types";
import { Card } from "@/components/Page";
import { formatDuration } from "@/lib/format";
import { percent } from "@/lib/trends";
import styles from "./Trends.module.css";

/** The period in figures, with how they were counted. */
export function Figures({ figures }: { figures: ProcessFigures }) {
  const facts: [string, string][] = [
    ["Success rate", percent(figures.success_rate)],
    ["Runs", figures.runs.toLocaleString("en")],
    ["Usual duration (p50)", formatDuration(figures.p50_seconds)],
    ["19 of 20 below (p95)", formatDuration(figures.p95_seconds)],
    ["Waited to start (p95)", formatDuration(figures.queue_wait_p95_seconds)],
    ["Time to recover", formatDuration(figures.mean_time_to_recover_seconds)],
    ["Retries", figures.retries.toLocaleString("en")],
  ];
  return (
    <Card aria-label="Figures of the period">
      <dl className={styles.figures}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <details className={styles.accounting}>
        <summary>How this is counted</summary>
        <p>{figures.accounting}</p>
      </details>
    </Card>
  );
}
