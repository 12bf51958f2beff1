import { describe, expect, it } from "vitest";
import type { RunView, StepStatus, StepView } from "@/api/types";
import { failedStep, heldUp, isQuick, isSlow, keptFrom, neighbourInTrouble, openingStep, plannedChain, timeShares, tookLong } from "@/lib/chain";
import { definition, stuckRun } from "./sample/data";

const withStatuses = (statuses: StepStatus[], run: Partial<RunView> = {}): RunView => ({
  ...stuckRun,
  verdict: { ...stuckRun.verdict, step_id: null },
  ...run,
  steps: stuckRun.steps.map((step, index) => ({ ...step, status: statuses[index] ?? "pending" })),
});

describe("the planned chain", () => {
  it("shows every step before any run, with its timeout and attempts", () => {
    const steps = plannedChain(definition);
    expect(steps.map((step) => [step.number, step.status])).toEqual(definition.steps.map((_, index) => [index + 1, "pending"]));
    expect(steps[4]).toMatchObject({ name: "Invoice file reached the bank folder", expect_within_seconds: 1800, timeout_seconds: 30, of_attempts: 3, owner: "team-billing" });
    expect(steps[0]?.owner).toBe("team-orders");
  });

  it("marks a disabled step as skipped with its reason", () => {
    const [first, ...others] = definition.steps;
    const steps = plannedChain({ ...definition, steps: [{ ...first!, enabled: false }, ...others] });
    expect(steps[0]).toMatchObject({ status: "skipped", reason: "disabled" });
  });
});

describe("a step that nobody has been asked yet", () => {
  it("is one that could run and waits for others", () => {
    expect(["no_worker", "waits_turn", "waits_target"].map((reason) => heldUp({ status: "running", reason }))).toEqual([true, true, true]);
    expect(heldUp({ status: "running", reason: null })).toBe(false);
    expect(heldUp({ status: "skipped", reason: "waits_turn" })).toBe(false);
  });
});

describe("what was kept", () => {
  it("is what a continued run did not look at again", () => {
    const [first] = stuckRun.steps;
    const kept = { ...first!, attempts: [] };
    expect(keptFrom({ from_run: "before" }, kept)).toBe("before");
    expect(keptFrom({ from_run: null }, kept)).toBeNull();
    expect(keptFrom({ from_run: "before" }, { ...kept, status: "skipped" })).toBeNull();
    expect(keptFrom({ from_run: "before" }, { ...kept, status: "pending" })).toBeNull();
    expect(keptFrom({ from_run: "before" }, { ...kept, attempts: [{ attempt: 1 } as never] })).toBeNull();
  });
});

describe("the step that a page opens on", () => {
  it("is the one the verdict names", () => {
    expect(openingStep(stuckRun.steps, stuckRun)).toBe("invoice_file");
  });

  it("is the failing one when the verdict names none", () => {
    const run = withStatuses(["success", "success", "failed"], { status: "failed" });
    expect(openingStep(run.steps, run)).toBe("payment");
  });

  it("is the one under way while a run walks", () => {
    const run = withStatuses(["success", "running"], { status: "running" });
    expect(openingStep(run.steps, run)).toBe("order_api");
  });

  it("is the one that was clearly slower than usual after a success", () => {
    const run = withStatuses(Array<StepStatus>(7).fill("success"), { status: "success" });
    const usual = { expected_duration_seconds: 0.01, slow_after_seconds: 0.03 };
    const steps = run.steps.map((step, index) => ({ ...step, ...usual, duration_seconds: [0.04, 3, 0.01][index] ?? 0.01 }));
    expect(openingStep(steps, run)).toBe("order_api");
  });

  it("is the last one done after a success, and the first before any run", () => {
    const run = withStatuses(Array<StepStatus>(7).fill("success"), { status: "success" });
    const asUsual = run.steps.map((step) => ({ ...step, duration_seconds: step.expected_duration_seconds }));
    expect(openingStep(asUsual, run)).toBe("confirmed");
    expect(openingStep(plannedChain(definition), null)).toBe("shop_page");
  });
});

describe("jumping between failing steps", () => {
  const steps = withStatuses(["failed", "success", "warning", "success", "overdue", "skipped", "success"]).steps;

  it("goes to the next and the previous, and round the end", () => {
    expect(neighbourInTrouble(steps, "shop_page", 1)).toBe("payment");
    expect(neighbourInTrouble(steps, "payment", 1)).toBe("invoice_file");
    expect(neighbourInTrouble(steps, "invoice_file", 1)).toBe("shop_page");
    expect(neighbourInTrouble(steps, "shop_page", -1)).toBe("invoice_file");
  });

  it("stays when nothing failed", () => {
    expect(neighbourInTrouble(withStatuses(Array<StepStatus>(7).fill("success")).steps, "payment", 1)).toBeNull();
  });
});

describe("continuing from the failed step", () => {
  it("is offered on a finished run that failed, at its first trouble", () => {
    expect(failedStep(stuckRun)?.step_id).toBe("invoice_file");
  });

  it("is not offered while the run walks, nor after a success", () => {
    expect(failedStep(withStatuses(["failed"], { status: "running" }))).toBeNull();
    expect(failedStep(withStatuses(Array<StepStatus>(7).fill("success"), { status: "success" }))).toBeNull();
  });
});

it("calls a step slow only when it is clearly slower than usual", () => {
  expect([isSlow(0.64, 0.3), isSlow(0.14, 0.1), isSlow(0.4, 0.3), isSlow(1, null)]).toEqual([true, false, false, false]);
});

it("goes by its own history of slowness where there is one", () => {
  const usual = { expected_duration_seconds: 2, slow_after_seconds: 9 };
  expect([tookLong(8, usual), tookLong(10, usual), tookLong(8, { ...usual, slow_after_seconds: null })]).toEqual([false, true, true]);
});

it("marks the steps at which a good part of the time was spent, waits included", () => {
  const at = (seconds: number) => new Date(seconds * 1000).toISOString();
  const spent = (step_id: string, from: number | null, to: number | null) => ({ step_id, started_at: from === null ? null : at(from), ended_at: to === null ? null : at(to) }) as unknown as StepView;
  expect([...timeShares([spent("a", 0, 1), spent("b", 1, 97), spent("c", 97, 100), spent("d", null, null)])]).toEqual([["b", 0.96]]);
  expect([...timeShares([spent("a", 0, 0), spent("d", 5, null)])]).toEqual([]);
});

it("calls quicker what is clearly below the usual", () => {
  expect([isQuick(0.1, 1), isQuick(0.9, 1), isQuick(0.01, 0.05), isQuick(null, 1)]).toEqual([true, false, false, false]);
});
