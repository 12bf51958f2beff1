import clsx from "clsx";
import type { ReactNode } from "react";
import type { StepView } from "@/api/types";
import { About } from "@/components/About";
import { Ago, Countdown, Elapsed } from "@/components/Time";
import { HELD_UP, isQuick, tookLong } from "@/lib/chain";
import { serverNow } from "@/lib/clock";
import { formatDuration, formatSpan, formatWritten } from "@/lib/format";
import { failureWord, word } from "@/lib/status";
import styles from "./StepTimes.module.css";
import { UsualSoFar } from "./UsualSoFar";

type Props = { step: StepView; runOpen: boolean; planned: boolean; inline?: boolean };

/** The right edge of a step: how long, how long usually, until when, or why not. `inline` puts both on one line. */
export function StepTimes({ step, runOpen, planned, inline = false }: Props) {
  const { main, below, loud } = timesOf(step, runOpen, planned);
  return (
    <span className={clsx(styles.times, inline && styles.inline)}>
      <span className={loud ? styles.loud : styles.main}>{main}</span>
      <span className={styles.below}>{below}</span>
    </span>
  );
}

type Times = { main: ReactNode; below: ReactNode; loud?: boolean };

function timesOf(step: StepView, runOpen: boolean, planned: boolean): Times {
  const usual = step.expected_duration_seconds ? <About seconds={step.expected_duration_seconds} /> : null;
  switch (step.status) {
    case "pending":
      return { main: planned || !runOpen ? null : "queued", below: plannedBelow(step, usual) };
    case "running":
      return { main: step.started_at ? <Elapsed since={step.started_at} /> : "running", below: HELD_UP[step.reason ?? ""] ?? <UsualSoFar of={step} />, loud: true };
    case "retrying":
      return { main: step.next_attempt_at ? <>retry in <Countdown to={step.next_attempt_at} /></> : "retrying", below: failureWord(step.failure_class) ?? usual, loud: true };
    case "waiting":
      return { main: "waiting", below: waitingBelow(step), loud: true };
    case "success":
      return { main: formatDuration(step.duration_seconds), below: <Usual step={step} usual={usual} /> };
    case "overdue":
      return { main: `waiting ${waited(step)}`, below: allowance(step), loud: true };
    case "not_yet":
      return { main: step.due_at ? <DueIn at={step.due_at} /> : word(step.status), below: allowance(step), loud: true };
    case "skipped":
      return { main: null, below: step.reason ?? word(step.status) };
    case "cancelled":
      return { main: word(step.status), below: null };
    default:
      return { main: failureWord(step.failure_class) ?? word(step.status), below: step.duration_seconds != null ? formatDuration(step.duration_seconds) : null, loud: true };
  }
}

function plannedBelow(step: StepView, usual: ReactNode): ReactNode {
  if (step.expect_within_seconds) return allowance(step);
  return usual;
}

function waitingBelow(step: StepView): ReactNode {
  return (
    <>
      {step.next_attempt_at && (
        <>
          looks in <Countdown to={step.next_attempt_at} />
        </>
      )}
      {step.waiting_until && (
        <>
          {step.next_attempt_at ? " · " : ""}
          <Countdown to={step.waiting_until} /> left
        </>
      )}
    </>
  );
}

/** How long the matter had waited when it was looked at: from the start of its allowance. */
function waited(step: StepView): string {
  if (!step.since_at) return formatDuration(step.duration_seconds);
  const end = step.ended_at ? Date.parse(step.ended_at) : serverNow();
  return formatSpan((end - Date.parse(step.since_at)) / 1000);
}

function allowance(step: StepView): string | null {
  return step.expect_within_seconds ? `expected within ${formatWritten(step.expect_within_seconds)}` : null;
}

/** Ahead or behind now: a run that ended before its allowance did stays true later. */
function DueIn({ at }: { at: string }) {
  return (
    <>
      due <Ago at={at} />
    </>
  );
}

/** The usual duration, with an arrow when this one was clearly longer or shorter. */
function Usual({ step, usual }: { step: StepView; usual: ReactNode }) {
  if (isQuick(step.duration_seconds, step.expected_duration_seconds)) {
    return (
      <span title="Quicker than usual">
        ▼ quicker<span className="visually-hidden"> than usual</span>, {usual}
      </span>
    );
  }
  if (!tookLong(step.duration_seconds, step)) return <>{usual}</>;
  return (
    <span className={styles.slow} title="Slower than usual">
      ▲ slower<span className="visually-hidden"> than usual</span>, {usual}
    </span>
  );
}
