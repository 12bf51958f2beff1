/** The chain of steps as the page shows it: from a run, or planned from the definition before any run. */
import type { Check, Definition, RunView, Step, StepView } from "@/api/types";
import { parseDuration } from "./format";
import { isOpenRun, isOpenStep, isTrouble } from "./status";

/** What a check looks at, in a few words and without secrets, from its definition. */
export function checkTarget(check: Check): string | null {
  if (check.type === "db_query") return check.connection;
  const place = check.path ?? check.url ?? null;
  if (check.connection) return place ? `${check.connection} · ${place}` : check.connection;
  return place;
}

/** The connection a step goes through, if any. */
export function checkConnection(check: Check | undefined): string | null {
  return check?.connection ?? null;
}

const DEFAULT_TIMEOUT: Record<string, number> = { db_query: 5 };

/** Timeout of one attempt in seconds: the step's, else the process's, else 30 s, 5 s for SQL. */
export function stepTimeout(step: Step, definition: Definition): number {
  return parseDuration(step.timeout) ?? parseDuration(definition.defaults?.timeout) ?? DEFAULT_TIMEOUT[step.check.type] ?? 30;
}

const DEFAULT_REPEATS = 2;

/** How many attempts a step has at most. */
export function stepAttempts(step: Step, definition: Definition): number {
  return (step.retry?.count ?? definition.defaults?.retry?.count ?? DEFAULT_REPEATS) + 1;
}

/** The planned chain, before any run: every step waits for its turn, disabled ones are skipped. */
export function plannedChain(definition: Definition): StepView[] {
  return definition.steps.map((step, index) => ({
    step_id: step.id,
    number: index + 1,
    name: step.name,
    description: step.description ?? null,
    check_type: step.check.type,
    target: checkTarget(step.check),
    owner: step.owner ?? definition.owner ?? null,
    runbook: step.runbook ?? null,
    always_run: step.always_run ?? false,
    status: step.enabled === false ? "skipped" : "pending",
    reason: step.enabled === false ? "disabled" : null,
    failure_class: null,
    message: null,
    first_aid: null,
    attempt: 0,
    of_attempts: stepAttempts(step, definition),
    next_attempt_at: null,
    started_at: null,
    ended_at: null,
    duration_seconds: null,
    expected_duration_seconds: null,
    slow_after_seconds: null,
    timeout_seconds: stepTimeout(step, definition),
    expect_within_seconds: parseDuration(step.expect_within),
    since_at: null,
    due_at: null,
    waiting_until: null,
    assertions: [],
    captures: {},
    findings: [],
    timings: {},
    evidence: [],
    attempts: [],
  }));
}

/** Longer than usual by so much, a step that passed is what one wants to see of its run. */
const TELLING_SECONDS = 0.5;

/** The step the page opens on: the failing one, else the one under way, else the one that was clearly slow, else the last that did something. */
export function openingStep(steps: readonly StepView[], run: Pick<RunView, "status" | "verdict"> | null): string | null {
  const named = run?.verdict.step_id;
  if (named && steps.some((step) => step.step_id === named)) return named;
  const trouble = steps.find((step) => isTrouble(step.status));
  if (trouble) return trouble.step_id;
  if (isOpenRun(run?.status)) {
    const current = steps.find((step) => ["running", "retrying", "waiting"].includes(step.status));
    if (current) return current.step_id;
  }
  const warned = steps.find((step) => step.status === "warning");
  const slow = steps.find((step) => tookLong(step.duration_seconds, step) && step.duration_seconds! - (step.expected_duration_seconds ?? 0) > TELLING_SECONDS);
  const done = [...steps].reverse().find((step) => step.status === "success" && !step.always_run);
  return (warned ?? (run && !isOpenRun(run.status) ? (slow ?? done) : undefined) ?? steps[0])?.step_id ?? null;
}

/** The next or previous step in trouble, going round; null if there is none. */
export function neighbourInTrouble(steps: readonly StepView[], current: string | null, direction: 1 | -1): string | null {
  const stops = steps.filter((step) => isTrouble(step.status) || step.status === "warning");
  if (stops.length === 0) return null;
  const here = steps.find((step) => step.step_id === current)?.number ?? 0;
  const ordered = direction === 1 ? stops : [...stops].reverse();
  const next = ordered.find((step) => (direction === 1 ? step.number > here : step.number < here));
  return (next ?? ordered[0])?.step_id ?? null;
}

/** The step that *From failed step* continues at; null if the run offers none. */
export function failedStep(run: RunView): StepView | null {
  if (isOpenRun(run.status)) return null;
  return run.steps.find((step) => isTrouble(step.status)) ?? null;
}

/** The run that a step's result was kept from; null if this run looked itself. */
export function keptFrom(run: Pick<RunView, "from_run"> | null, step: StepView): string | null {
  const looked = isOpenStep(step.status) || step.status === "skipped" || step.status === "cancelled" || (step.attempts ?? []).length > 0;
  return looked ? null : (run?.from_run ?? null);
}

/** What keeps a step that could run: nobody has been asked yet. */
export const HELD_UP: Readonly<Record<string, string>> = { no_worker: "no worker listens", waits_turn: "waits for its turn", waits_target: "waits for its target" };

export function heldUp({ status, reason }: Pick<StepView, "status" | "reason">): boolean {
  return status === "running" && (reason ?? "") in HELD_UP;
}

/** Whether something took longer than usual by its own history, or clearly longer while that is short. */
export function tookLong(seconds: number | null | undefined, of: Pick<StepView, "expected_duration_seconds" | "slow_after_seconds">): boolean {
  return of.slow_after_seconds == null ? isSlow(seconds, of.expected_duration_seconds) : (seconds ?? 0) > of.slow_after_seconds;
}

/** Slower than usual, early enough to warn: over half as long again, and by more than a tenth of a second. */
export function isSlow(seconds: number | null | undefined, usual: number | null | undefined): boolean {
  if (!seconds || !usual) return false;
  return seconds > usual * SLOW_FACTOR && seconds - usual > SLOW_SECONDS;
}

/** Clearly quicker than usual: then the question is what was left out. */
export function isQuick(seconds: number | null | undefined, usual: number | null | undefined): boolean {
  return isSlow(usual, seconds);
}

/** Shares of the run's time below this are not worth a mark. */
const TELLING_SHARE = 0.05;

/** Where the time of a run was spent, waits between attempts included: the steps that took a good part of it. */
export function timeShares(steps: readonly StepView[]): ReadonlyMap<string, number> {
  const spent = steps.map((step): [string, number] => [step.step_id, step.started_at && step.ended_at ? Math.max(0, Date.parse(step.ended_at) - Date.parse(step.started_at)) : 0]);
  const whole = spent.reduce((sum, [, time]) => sum + time, 0);
  return new Map(spent.map(([id, time]): [string, number] => [id, whole > 0 ? time / whole : 0]).filter(([, share]) => share >= TELLING_SHARE));
}
const SLOW_FACTOR = 1.5;
const SLOW_SECONDS = 0.1;
