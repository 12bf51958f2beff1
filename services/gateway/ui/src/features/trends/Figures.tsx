import type { ProcessFigures } from "@/api/types";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Card } from "@/components/Page";
import { Ago } from "@/components/Time";
import { useNow } from "@/lib/clock";
import { formatDuration } from "@/lib/format";
import { percent } from "@/lib/trends";
import styles from "./Trends.module.css";

/** A reading is never ahead of now, also while the server's clock is taken to be behind this computer's. */
function ReadAgo({ at }: { at: number }) {
  return <Ago at={new Date(Math.min(at, useNow())).toISOString()} />;
}

/** The period in figures, with how they were counted. */
export function Figures({ figures, readAt, onRefresh }: { figures: ProcessFigures; readAt: number; onRefresh: () => void }) {
  const facts: [string, string][] = [
    ["Success rate", percent(figures.success_rate)],
    ["Runs", figures.runs.toLocaleString("en")],
    ["Usual duration (p50)", formatDuration(figures.p50_seconds)],
    ["19 of 20 below (p95)", formatDuration(figures.p95_seconds)],
    ["Waited to start (p95)", formatDuration(figures.queue_wait_p95_seconds)],
    ["Time to recover", formatDuration(figures.mean_time_to_recover_seconds)],
    ["Missed starts", figures.missed_starts.toLocaleString("en")],
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
      <div className={styles.under}>
        <details className={styles.accounting}>
          <summary>How this is counted</summary>
          <p>{figures.accounting}</p>
        </details>
        <span>
          <span>
            read <ReadAgo at={readAt} />
          </span>
          <Button look="quiet" onClick={onRefresh}>
            <Icon name="retry" size={14} /> Read again
          </Button>
        </span>
      </div>
    </Card>
  );
}
