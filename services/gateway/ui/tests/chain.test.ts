import { describe, expect, it } from "vitest";
import type { RunView, StepStatus } from "@/api/types";
import { failedStep, isSlow, neighbourInTrouble, openingStep, plannedChain, tookLong } from "@/lib/chain";
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

  it("is the last one done after a success, and the first before any run", () => {
    const run = withStatuses(Array<StepStatus>(7).fill("success"), { status: "success" });
    expect(openingStep(run.steps, run)).toBe("confirmed");
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
