/** A run as it stood after some of its events, and its events as a waterfall. */
import type { RunEvent, RunView, StepView } from "@/api/types";
import { applyToRun } from "./events";

/** The run after the first `count` events: what was found stands at a step from its end on, not before. */
export function runAt(run: RunView, events: readonly RunEvent[], count: number): RunView {
  const passed = events.slice(0, count);
  const ended = new Set(passed.filter((event) => event.type === "step.finished").map((event) => event.step_id));
  const over = passed.some((event) => event.type === "run.finished");
  const started: RunView = { ...run, status: "queued", started_at: null, ended_at: null, duration_seconds: null, last_seq: 0, steps_done: 0, steps: run.steps.map((step) => asPlanned(step, events)) };
  const after = passed.reduce(applyToRun, started);
  return {
    ...after,
    status: over ? run.status : after.status,
    verdict: over ? run.verdict : { text: "", lead: "", emphasis: null, tail: "", step_id: null },
    steps: after.steps.map((step, index) => (ended.has(step.step_id) ? run.steps[index]! : step)),
  };
}

/** A step before anything happened to it; one that no event names was decided before the run, and stays as it is. */
function asPlanned(step: StepView, events: readonly RunEvent[]): StepView {
  if (!events.some((event) => event.step_id === step.step_id)) return step;
  return {
    ...step,
    status: "pending",
    reason: null,
    failure_class: null,
    message: null,
    first_aid: null,
    attempt: 0,
    next_attempt_at: null,
    started_at: null,
    ended_at: null,
    duration_seconds: null,
    since_at: null,
    due_at: null,
    waiting_until: null,
    assertions: [],
    captures: {},
    findings: [],
    timings: {},
    evidence: [],
    attempts: [],
  };
}

export type Span = { kind: "work" | "pause"; from: number; share: number; seconds: number };
export type Lane = { step: StepView; spans: Span[]; startsAfter: number | null };

/** Each step as a lane of attempts and the pauses between them; places and lengths are shares of the whole, from 0 to 1. */
export function waterfall(run: RunView, now: number): { lanes: Lane[]; seconds: number } {
  const begin = Date.parse(run.started_at ?? run.queued_at);
  const end = run.ended_at ? Date.parse(run.ended_at) : now;
  const whole = Math.max(1, end - begin);
  const lanes = run.steps.map((step) => {
    const work = (step.attempts ?? []).map((attempt): [number, number] => {
      const from = Date.parse(attempt.started_at ?? attempt.dispatched_at);
      return [from, attempt.ended_at ? Date.parse(attempt.ended_at) : now];
    });
    const span = (kind: Span["kind"], from: number, to: number): Span => ({ kind, from: share(from - begin, whole), share: share(to - from, whole), seconds: Math.max(0, to - from) / 1000 });
    const spans = work.flatMap(([from, to], index) => {
      const before = work[index - 1];
      return before && from > before[1] ? [span("pause", before[1], from), span("work", from, to)] : [span("work", from, to)];
    });
    return { step, spans, startsAfter: work[0] ? Math.max(0, work[0][0] - begin) / 1000 : null };
  });
  return { lanes, seconds: whole / 1000 };
}

const share = (part: number, whole: number): number => Math.min(1, Math.max(0, part / whole));
