import { formatDuration } from "@/lib/format";
import { timingSpans } from "@/lib/timings";
import styles from "./Timings.module.css";

/** The phases of an attempt as a small waterfall. */
export function Timings({ timings }: { timings: Record<string, number> }) {
  const { spans, total } = timingSpans(timings);
  return (
    <div>
      <h3 className={styles.title}>Where the time went</h3>
      <dl className={styles.rows}>
        {spans.map((span) => (
          <div key={span.name}>
            <dt>{span.words}</dt>
            <dd>
              <span className={styles.track} aria-hidden="true">
                <i style={{ left: `${span.from * 100}%`, width: `${Math.max(0.6, span.share * 100)}%` }} />
              </span>
              <span className={styles.seconds}>{formatPhase(span.seconds)}</span>
            </dd>
          </div>
        ))}
        <div className={styles.total}>
          <dt>total</dt>
          <dd>
            <span className={styles.seconds}>{formatDuration(total)}</span>
          </dd>
        </div>
      </dl>
    </div>
  );
}

/** Phases are short: below a second in milliseconds. */
function formatPhase(seconds: number): string {
  return seconds < 0.995 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)}\u00a0ms` : formatDuration(seconds);
}
