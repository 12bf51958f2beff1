import { describe, expect, it } from "vitest";
import type { ProcessRow, RunEvent } from "@/api/types";
import { applyToGrid, applyToRow, applyToRun, applyToSummary } from "@/lib/events";
import { grid, rows, stuckRun, summaries } from "./sample/data";

const open = { ...stuckRun, status: "running" as const, last_seq: 4, steps: stuckRun.steps.map((step) => ({ ...step, status: "pending" as const, started_at: null, duration_seconds: null })) };
const event = (more: Partial<RunEvent>) => ({ run_id: "run-49", process_id: "order-to-cash", seq: 5, at: "2026-03-02T12:00:00Z", type: "step.started", status: "running", ...more }) as RunEvent;

describe("a run after an event", () => {
  it("shows the step that started, its attempt and when", () => {
    const run = applyToRun(open, event({ step_id: "payment", attempt: 2, of_attempts: 3 }));
    expect(run.steps[2]).toMatchObject({ status: "running", attempt: 2, of_attempts: 3, started_at: "2026-03-02T12:00:00Z" });
    expect(run.current_step).toBe("payment");
  });

  it("counts finished steps and keeps the duration that was told", () => {
    const run = applyToRun(open, event({ type: "step.finished", status: "success", step_id: "shop_page", duration_seconds: 0.4 }));
    expect(run.steps_done).toBe(1);
    expect(run.steps[0]).toMatchObject({ status: "success", duration_seconds: 0.4 });
  });

  it("takes over the moment of the next attempt and drops it when the step goes on", () => {
    const retrying = applyToRun(open, event({ type: "step.retrying", status: "retrying", step_id: "payment", next_attempt_at: "2026-03-02T12:00:05Z", failure_class: "timeout" }));
    expect(retrying.steps[2]).toMatchObject({ status: "retrying", next_attempt_at: "2026-03-02T12:00:05Z", failure_class: "timeout" });
    const again = applyToRun(retrying, event({ seq: 6, step_id: "payment", attempt: 2 }));
    expect(again.steps[2]?.next_attempt_at).toBeNull();
  });

  it("ends with the verdict of the event", () => {
    const run = applyToRun(open, event({ type: "run.finished", status: "success", verdict: "All 7 steps passed in 2 s.", duration_seconds: 2 }));
    expect(run).toMatchObject({ status: "success", ended_at: "2026-03-02T12:00:00Z", duration_seconds: 2 });
    expect(run.verdict).toMatchObject({ text: "All 7 steps passed in 2 s.", emphasis: null });
  });

  it("does not change twice, nor by an event of another run", () => {
    expect(applyToRun(open, event({ seq: 4, step_id: "payment" }))).toBe(open);
    expect(applyToRun(open, event({ run_id: "run-1", step_id: "payment" }))).toBe(open);
  });
});

describe("a row of the overview after an event", () => {
  const row = rows[0] as ProcessRow;
  const finished = event({ type: "run.finished", run_id: "new", status: "success", key: "4712", verdict: "All fine." });

  it("shows the new verdict, and since when", () => {
    const after = applyToRow(row, finished).state;
    expect(after).toMatchObject({ last_status: "success", last_key: "4712", last_verdict: "All fine.", since: "2026-03-02T12:00:00Z" });
    expect(after.recent?.at(-1)).toEqual(["new", "success"]);
    expect(after.recent).toHaveLength(30);
  });

  it("keeps since when the state stays the same", () => {
    expect(applyToRow(row, { ...finished, status: "stuck" }).state.since).toBe(row.state.since);
  });

  it("counts a run once from queued over running to its end", () => {
    const queued = applyToRow(row, event({ type: "run.queued", run_id: "new", status: "queued" }));
    const started = applyToRow(queued, event({ type: "run.started", run_id: "new", status: "running" }));
    expect([queued.state.running, started.state.running, applyToRow(started, finished).state.running]).toEqual([1, 1, 0]);
    expect(started.state.last_status).toBe("stuck");
  });

  it("is the same after hearing an event twice, and by events of steps or other processes", () => {
    const once = applyToRow(row, finished);
    expect(applyToRow(once, finished)).toBe(once);
    expect(applyToRow(row, event({}))).toBe(row);
    expect(applyToRow(row, { ...finished, process_id: "other" })).toBe(row);
  });
});

describe("the grid after an event", () => {
  it("gets a column for a new run and drops the oldest beyond its length", () => {
    const after = applyToGrid(grid, event({ type: "run.queued", run_id: "new", status: "queued", key: "1" }), 50);
    expect(after).toHaveLength(50);
    expect(after.at(-1)).toMatchObject({ run_id: "new", status: "queued", key: "1" });
    expect(after[0]?.run_id).toBe("run-1");
  });

  it("colours the cell of a step", () => {
    const after = applyToGrid(grid, event({ type: "step.finished", status: "failed", step_id: "payment", duration_seconds: 0.5 }), 50);
    expect(after.at(-1)?.steps.payment).toBe("failed");
    expect(after.at(-1)?.step_seconds.payment).toBe(0.5);
  });
});

it("a listed run that has ended stays as it ended", () => {
  const done = summaries[0]!;
  expect(applyToSummary(done, event({ type: "run.started", status: "running" }))).toBe(done);
  const walking = { ...done, status: "running" as const };
  expect(applyToSummary(walking, event({ type: "run.finished", status: "failed", verdict: "Failed at 1." }))).toMatchObject({ status: "failed", verdict: { text: "Failed at 1." } });
});
