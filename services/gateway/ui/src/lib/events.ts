/** What an event changes at once in what the page already holds; a read that follows brings the rest. */
import type { GridColumn, ProcessRow, RunEvent, RunStatus, RunSummary, RunView, StepStatus, StepView } from "@/api/types";
import { isOpenRun, isOpenStep } from "./status";

/** The run after one event. Events already counted, of another run, or older than what is held change nothing. */
export function applyToRun(run: RunView, event: RunEvent): RunView {
  if (event.run_id !== run.run_id || event.seq <= run.last_seq) return run;
  const next = { ...run, last_seq: event.seq };
  return event.type.startsWith("run.") ? runChanged(next, event) : stepChanged(next, event);
}

function runChanged(run: RunView, event: RunEvent): RunView {
  const status = event.status as RunStatus;
  const text = event.verdict ?? run.verdict.text;
  // The parts of the sentence come with the next read; until then the whole of it is the lead.
  const verdict = event.type === "run.finished" && event.verdict ? { text, lead: text, emphasis: null, tail: "", step_id: run.verdict.step_id ?? null } : run.verdict;
  return {
    ...run,
    status,
    verdict,
    started_at: event.started_at ?? run.started_at ?? null,
    ended_at: event.type === "run.finished" ? event.at : (run.ended_at ?? null),
    duration_seconds: event.duration_seconds ?? run.duration_seconds ?? null,
  };
}

function stepChanged(run: RunView, event: RunEvent): RunView {
  const steps = run.steps.map((step) => (step.step_id === event.step_id ? applyToStep(step, event) : step));
  const finished = event.type === "step.finished";
  return {
    ...run,
    status: isOpenRun(run.status) ? "running" : run.status,
    steps,
    current_step: finished ? (run.current_step ?? null) : (event.step_id ?? run.current_step ?? null),
    steps_done: steps.filter((step) => !isOpenStep(step.status)).length,
  };
}

function applyToStep(step: StepView, event: RunEvent): StepView {
  return {
    ...step,
    status: event.status as StepStatus,
    attempt: event.attempt ?? step.attempt ?? 0,
    of_attempts: event.of_attempts ?? step.of_attempts ?? 1,
    next_attempt_at: event.next_attempt_at ?? null,
    waiting_until: event.waiting_until ?? step.waiting_until ?? null,
    due_at: event.due_at ?? step.due_at ?? null,
    started_at: step.started_at ?? (event.type === "step.started" ? event.at : null),
    ended_at: event.type === "step.finished" ? event.at : null,
    duration_seconds: event.duration_seconds ?? (event.type === "step.finished" ? (step.duration_seconds ?? null) : null),
    failure_class: event.failure_class ?? step.failure_class ?? null,
    reason: event.reason ?? step.reason ?? null,
    message: event.message ?? step.message ?? null,
  };
}

const STRIP_LENGTH = 30;

/** A row of overview or list after one event of its process. Told twice, it stays the same. */
export function applyToRow(row: ProcessRow, event: RunEvent): ProcessRow {
  if (row.process_id !== event.process_id || !event.type.startsWith("run.")) return row;
  const state = row.state;
  const recent = withRun(state.recent ?? [], event.run_id, event.status);
  const known = (state.recent ?? []).find(([id]) => id === event.run_id)?.[1];
  if (known === event.status) return row;
  if (event.type !== "run.finished") {
    const joins = !known || !isOpenRun(known as RunStatus);
    return { ...row, state: { ...state, recent, running: (state.running ?? 0) + (joins ? 1 : 0) } };
  }
  const status = event.status as RunStatus;
  const running = Math.max(0, (state.running ?? 0) - 1);
  return {
    ...row,
    // Of several runs under way another one may be slow: the next read of the list tells.
    slow_at: running > 0 ? row.slow_at : null,
    state: {
      ...state,
      recent,
      running,
      last_run_id: event.run_id,
      last_status: status,
      last_key: event.key ?? state.last_key,
      last_verdict: event.verdict ?? state.last_verdict,
      last_run_at: event.queued_at ?? event.at,
      since: state.last_status === status ? state.since : event.at,
    },
  };
}

function withRun(recent: readonly string[][], runId: string, status: string): string[][] {
  if (recent.some(([id]) => id === runId)) return recent.map((pair) => (pair[0] === runId ? [runId, status] : pair));
  return [...recent, [runId, status]].slice(-STRIP_LENGTH);
}

/** A run in a list after one event. */
export function applyToSummary(run: RunSummary, event: RunEvent): RunSummary {
  if (run.run_id !== event.run_id || !event.type.startsWith("run.")) return run;
  if (!isOpenRun(run.status)) return run;
  const finished = event.type === "run.finished";
  return {
    ...run,
    status: event.status as RunStatus,
    ended_at: finished ? event.at : (run.ended_at ?? null),
    duration_seconds: event.duration_seconds ?? run.duration_seconds ?? null,
    verdict: finished && event.verdict ? { ...run.verdict, text: event.verdict, lead: event.verdict, emphasis: null, tail: "" } : run.verdict,
  };
}

/** The columns of the grid after one event: a new run adds one at the right, a step colours its cell. */
export function applyToGrid(columns: GridColumn[], event: RunEvent, limit: number): GridColumn[] {
  const known = columns.some((column) => column.run_id === event.run_id);
  if (!known && event.type !== "run.queued") return columns;
  if (!known) {
    const fresh: GridColumn = {
      run_id: event.run_id,
      status: event.status as RunStatus,
      trigger: event.trigger ?? "manual",
      key: event.key ?? null,
      queued_at: event.queued_at ?? event.at,
      duration_seconds: null,
      steps: Object.fromEntries((event.steps ?? []).map((step) => [String(step.step_id), String(step.status ?? "pending")])),
      step_seconds: {},
      kept: (event.steps ?? []).filter((step) => step.reused).map((step) => String(step.step_id)),
    };
    return [...columns, fresh].slice(-limit);
  }
  return columns.map((column) => (column.run_id === event.run_id ? columnAfter(column, event) : column));
}

function columnAfter(column: GridColumn, event: RunEvent): GridColumn {
  if (event.type.startsWith("run.")) {
    return { ...column, status: event.status as RunStatus, duration_seconds: event.duration_seconds ?? column.duration_seconds };
  }
  if (!event.step_id) return column;
  const seconds = event.duration_seconds;
  return {
    ...column,
    steps: { ...column.steps, [event.step_id]: event.status },
    step_seconds: typeof seconds === "number" ? { ...column.step_seconds, [event.step_id]: seconds } : column.step_seconds,
  };
}
