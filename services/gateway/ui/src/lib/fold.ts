/** Which steps of a chain are told in one line, and which of a long chain share a line. */
import type { StepView } from "@/api/types";
import { tookLong } from "./chain";
import { isOpenStep, isTrouble } from "./status";

/** Steps that share a line, because nothing is to be said of them one by one. */
export type Fold = { first: StepView; last: StepView; steps: readonly StepView[]; status: StepView["status"]; seconds: number };
export type Row = { step: StepView } | { fold: Fold };

/** A chain up to this length shows every step. */
const SHORT_CHAIN = 12;
/** Fewer neighbours than this are shown one by one: a fold saves nothing there. */
const LEAST_FOLDED = 4;

/** Whether a step asks for attention: it is under way, in trouble, was tried again, or was slower than usual. */
export function isRemarkable(step: StepView): boolean {
  if (isOpenStep(step.status)) return step.status !== "pending";
  return isTrouble(step.status) || step.status === "warning" || (step.attempt ?? 0) > 1 || tookLong(step.duration_seconds, step);
}

/** The rows of a chain: in a long one, quiet neighbours of one state are folded. `kept` are steps that stay open. */
export function foldChain(steps: readonly StepView[], kept: ReadonlySet<string>): Row[] {
  if (steps.length <= SHORT_CHAIN) return steps.map((step) => ({ step }));
  const rows: Row[] = [];
  for (let at = 0; at < steps.length; ) {
    const alike = alikeFrom(steps, at, kept);
    rows.push(...(alike.length >= LEAST_FOLDED ? [{ fold: foldOf(alike) }] : alike.map((step) => ({ step }))));
    at += alike.length;
  }
  return rows;
}

/** The step at a place, with the quiet ones of the same state and reason behind it. */
function alikeFrom(steps: readonly StepView[], at: number, kept: ReadonlySet<string>): StepView[] {
  const first = steps[at]!;
  const open = (step: StepView) => kept.has(step.step_id) || step.always_run || isRemarkable(step);
  if (open(first)) return [first];
  const rest = steps.slice(at + 1);
  const end = rest.findIndex((step) => open(step) || step.status !== first.status || step.reason !== first.reason);
  return [first, ...(end === -1 ? rest : rest.slice(0, end))];
}

function foldOf(steps: readonly StepView[]): Fold {
  const seconds = steps.reduce((sum, step) => sum + (step.duration_seconds ?? 0), 0);
  return { first: steps[0]!, last: steps.at(-1)!, steps, status: steps[0]!.status, seconds };
}
