/** The stuck board in words and widths. */
import type { BoardStep, StuckBoard } from "@/api/types";
import { formatSpan, plural } from "./format";

export type Sentence = { lead: string; emphasis: string; tail: string };

/** The step that the oldest waiting key waits at. */
function oldest(steps: readonly BoardStep[]): BoardStep | undefined {
  return steps.filter((step) => step.waiting && step.oldest_since).sort((a, b) => (a.oldest_since! < b.oldest_since! ? -1 : 1))[0];
}

/** `3 of 7 open keys wait, the oldest 7 h at 4 “Invoice was written”.` Ages count up to `now`. */
export function boardSentence(board: StuckBoard, now: number): Sentence {
  const open = board.open_keys ?? 0;
  const waiting = open - (board.finished ?? 0);
  if (open === 0) return { lead: "No key is open.", emphasis: "", tail: "" };
  if (waiting === 0) return { lead: `${open === 1 ? "The one open key has" : `All ${plural(open, "open key")} have`} passed every counted step.`, emphasis: "", tail: "" };
  const step = oldest(board.steps ?? []);
  const lead = `${waiting.toLocaleString("en")} of ${plural(open, "open key")} ${waiting === 1 ? "waits" : "wait"}`;
  if (!step) return { lead: `${lead}.`, emphasis: "", tail: "" };
  return { lead: `${lead}, the oldest `, emphasis: `${formatSpan((now - Date.parse(step.oldest_since!)) / 1000)} at ${step.number} “${step.name}”`, tail: "." };
}

/** Shares of all open keys that have passed a step and that wait at it, in percent; what waits is always seen. */
export function shares(step: BoardStep, openKeys: number): { passed: number; waiting: number } {
  if (openKeys === 0) return { passed: 0, waiting: 0 };
  const part = (count: number | undefined) => ((count ?? 0) / openKeys) * 100;
  const waiting = step.waiting ? Math.max(1.5, part(step.waiting)) : 0;
  return { passed: Math.min(100 - waiting, part(step.passed)), waiting };
}
