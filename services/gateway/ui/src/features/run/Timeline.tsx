import { useQuery } from "@tanstack/react-query";
import clsx from "clsx";
import { runEventsQuery } from "@/api/queries";
import type { RunView } from "@/api/types";
import { Card } from "@/components/Page";
import { Loading, Problem } from "@/components/States";
import { useNow } from "@/lib/clock";
import { formatDuration, plural } from "@/lib/format";
import { type Lane, waterfall } from "@/lib/replay";
import { isOpenRun, tone, word } from "@/lib/status";
import { Replay } from "./Replay";
import styles from "./Timeline.module.css";

type Props = { run: RunView; open: boolean; at: number | null; onOpen: (open: boolean) => void; onAt: (at: number | null) => void; onSelect: (stepId: string) => void };

/** When each step worked and when it paused; and the whole history, to be gone through again event by event. */
export function Timeline({ run, open, at, onOpen, onAt, onSelect }: Props) {
  return (
    <Card aria-label="Timeline" className={styles.card}>
      <details open={open} onToggle={(event) => event.currentTarget.open !== open && onOpen(event.currentTarget.open)}>
        <summary>
          <h2>Timeline and replay</h2>
          <span>where the time went · {plural(run.last_seq, "event")}</span>
        </summary>
        {open && <Inside run={run} at={at} onAt={onAt} onSelect={onSelect} />}
      </details>
    </Card>
  );
}

function Inside({ run, at, onAt, onSelect }: Pick<Props, "run" | "at" | "onAt" | "onSelect">) {
  const events = useQuery(runEventsQuery(run.run_id));
  const now = useNow();
  const { lanes, seconds } = waterfall(run, now);
  const moment = at === null ? null : events.data?.[Math.max(0, at - 1)]?.at;
  const begin = Date.parse(run.started_at ?? run.queued_at);
  const line = moment ? Math.min(1, Math.max(0, (Date.parse(moment) - begin) / (seconds * 1000))) : null;
  return (
    <>
      {events.isPending && <Loading rows={1} label="Loading the events" />}
      {events.isError && <Problem compact error={events.error} onRetry={() => void events.refetch()} />}
      {events.data && !isOpenRun(run.status) && <Replay events={events.data} at={at} onAt={onAt} begin={begin} />}
      <ol className={styles.lanes} style={line === null ? undefined : ({ "--line": line } as React.CSSProperties)} data-replaying={line === null ? undefined : ""}>
        {lanes.map((lane) => (
          <LaneRow key={lane.step.step_id} lane={lane} onSelect={onSelect} />
        ))}
      </ol>
      <div className={styles.scale} aria-hidden="true">
        <span>0 s</span>
        <span>{formatDuration(seconds / 2)}</span>
        <span>{formatDuration(seconds)}</span>
      </div>
    </>
  );
}

function LaneRow({ lane: { step, spans, startsAfter }, onSelect }: { lane: Lane; onSelect: (stepId: string) => void }) {
  const words = startsAfter === null ? (step.reason ?? word(step.status)) : `${word(step.status)}, began after ${formatDuration(startsAfter)}, took ${formatDuration(step.duration_seconds)}`;
  return (
    <li className={`tone-${tone(step.status)}`}>
      <button type="button" onClick={() => onSelect(step.step_id)} title={`${step.name}: ${words}`}>
        <span className={styles.name}>
          {step.number} {step.name}
        </span>
        <span className={styles.track}>
          {spans.map((span, index) => (
            <i key={index} className={clsx(styles.span, styles[span.kind])} style={{ left: `${span.from * 100}%`, width: `max(3px, ${span.share * 100}%)` }} />
          ))}
          {spans.length === 0 && <em>{words}</em>}
        </span>
        <span className={styles.took}>{spans.length > 0 ? formatDuration(step.duration_seconds) : ""}</span>
        <span className="visually-hidden">{words}</span>
      </button>
    </li>
  );
}
