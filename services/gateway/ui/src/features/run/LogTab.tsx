import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { runEventsQuery } from "@/api/queries";
import type { AttemptView, RunEvent, RunView, StepView } from "@/api/types";
import { TextBlock } from "@/components/CodeBlock";
import { Problem } from "@/components/States";
import { Clock } from "@/components/Time";
import { keptFrom } from "@/lib/chain";
import { eventWords } from "@/lib/eventWords";
import { formatDuration } from "@/lib/format";
import { failureWord } from "@/lib/status";
import styles from "./EvidencePanel.module.css";
import log from "./LogTab.module.css";

/** Every attempt at the step, and the numbered history of the run. */
export function LogTab({ run, step }: { run: RunView; step: StepView }) {
  const [whole, setWhole] = useState(false);
  const [raw, setRaw] = useState(false);
  const events = useQuery(runEventsQuery(run.run_id));
  const shown = (events.data ?? []).filter((event) => whole || event.step_id === step.step_id);
  return (
    <div className={styles.stack}>
      {(step.attempts ?? []).length > 0 && <Attempts attempts={step.attempts ?? []} />}
      <div>
        <div className={log.head}>
          <h3>Events</h3>
          <label>
            <input type="checkbox" checked={raw} onChange={(event) => setRaw(event.target.checked)} /> as JSON
          </label>
          <label>
            <input type="checkbox" checked={whole} onChange={(event) => setWhole(event.target.checked)} /> of the whole run
          </label>
        </div>
        {events.isPending && <p className={styles.quiet}>Reading…</p>}
        {events.isError && <Problem compact error={events.error} onRetry={() => void events.refetch()} />}
        {events.isSuccess && shown.length === 0 && <p className={styles.quiet}>{keptFrom(run, step) ? "In this run nothing was done at this step: its result was kept." : "Nothing has happened to this step yet."}</p>}
        {raw && shown.length > 0 ? (
          <TextBlock label="Events as JSON" text={JSON.stringify(shown, (_, value: unknown) => value ?? undefined, 2)} />
        ) : (
          <ol className={log.events}>
            {shown.map((event) => (
              <EventLine key={event.seq} event={event} />
            ))}
          </ol>
        )}
      </div>
    </div>
  );
}

function EventLine({ event }: { event: RunEvent }) {
  return (
    <li>
      <span className={log.seq}>{event.seq}</span>
      <Clock at={event.at} millis />
      <code>{event.type}</code>
      <span className={log.words}>{eventWords(event)}</span>
    </li>
  );
}

function Attempts({ attempts }: { attempts: readonly AttemptView[] }) {
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label="Attempts">
      <table className={styles.table}>
        <thead>
          <tr>
            {["Attempt", "Ended", "Started", "Took", "Worker", "What it said"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {attempts.map((attempt) => (
            <tr key={attempt.attempt}>
              <td>{attempt.attempt}</td>
              <td>{attempt.status}</td>
              <td>
                <Clock at={attempt.started_at ?? attempt.dispatched_at} />
              </td>
              <td>{formatDuration(attempt.duration_seconds)}</td>
              <td>
                <code>{attempt.worker_id ?? "–"}</code>
              </td>
              <td>
                {[failureWord(attempt.failure_class), attempt.message].filter(Boolean).join(" · ") || "–"}
                {attempt.late && <small>The answer came too late and changed nothing.</small>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
