import { describe, expect, it } from "vitest";
import type { StepStatus, StepView } from "@/api/types";
import { foldChain, isRemarkable } from "@/lib/fold";
import { stuckRun } from "./sample/data";

const NONE = new Set<string>();
const chain = (statuses: StepStatus[], about: Partial<StepView> = {}): StepView[] =>
  statuses.map((status, index) => ({ ...stuckRun.steps[0]!, ...about, step_id: `s${index + 1}`, number: index + 1, status, reason: status === "skipped" ? "step 8 failed" : null, always_run: false, attempt: 1, duration_seconds: 0.1, expected_duration_seconds: null, slow_after_seconds: null }));
const many = (status: StepStatus, count: number) => Array<StepStatus>(count).fill(status);
const told = (steps: StepView[], kept: ReadonlySet<string> = NONE) => foldChain(steps, kept).map((row) => ("fold" in row ? `${row.fold.first.number}–${row.fold.last.number} ${row.fold.status}` : String(row.step.number)));

describe("a long chain", () => {
  it("opens on what failed; what passed before and was skipped after share a line each", () => {
    const steps = chain([...many("success", 7), "failed", ...many("skipped", 12)]);
    expect(told(steps)).toEqual(["1–7 success", "8", "9–20 skipped"]);
  });

  it("says how long the folded steps took together", () => {
    const [row] = foldChain(chain(many("success", 20)), NONE);
    expect(row && "fold" in row && row.fold.seconds).toBeCloseTo(2);
  });

  it("keeps the chosen step open, and neighbours too few to fold", () => {
    const steps = chain(many("success", 20));
    expect(told(steps, new Set(["s4"]))).toEqual(["1", "2", "3", "4", "5–20 success"]);
  });

  it("does not fold steps that are skipped for different reasons, always run, or were tried again", () => {
    const steps = chain(many("success", 20));
    steps[9] = { ...steps[9]!, attempt: 2 };
    steps[19] = { ...steps[19]!, always_run: true };
    expect(told(steps)).toEqual(["1–9 success", "10", "11–19 success", "20"]);
    const skipped = chain([...many("failed", 1), ...many("skipped", 19)]);
    skipped[5] = { ...skipped[5]!, reason: "disabled" };
    expect(told(skipped)).toEqual(["1", "2–5 skipped", "6", "7–20 skipped"]);
  });
});

describe("a short chain", () => {
  it("shows every step", () => {
    expect(told(chain(many("success", 12)))).toHaveLength(12);
  });
});

describe("what is remarkable", () => {
  it("is what is under way, in trouble, tried again or slow", () => {
    const of = (status: StepStatus, about: Partial<StepView> = {}) => isRemarkable({ ...chain([status])[0]!, ...about });
    expect([of("success"), of("pending"), of("skipped")]).toEqual([false, false, false]);
    expect([of("running"), of("overdue"), of("warning"), of("success", { attempt: 2 }), of("success", { duration_seconds: 3, slow_after_seconds: 1 })]).toEqual(Array(5).fill(true));
  });
});
