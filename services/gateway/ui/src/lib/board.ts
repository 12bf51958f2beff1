/** The stuck board in words and widths. */
import type { BoardStep, StuckBoard } from "@/api/types";
import { formatSpan, plural } from "./format";

export type Sentence = { lead: string; emphasis: string; tail: string };

/** The step that the oldest waiting key waits at. */
export function oldestWaiting(steps: readonly BoardStep[]): BoardStep | undefined {
  return steps.filter((step) => step.waiting && step.oldest_since).sort((a, b) => (a.oldest_since! < b.oldest_since! ? -1 : 1))[0];
}

/** Open keys that have not passed every counted step. */
export const waitingKeys = (board: StuckBoard): number => (board.open_keys ?? 0) - (board.finished ?? 0);

/** The board with the oldest waiting key first; then the most waiting, what nothing waits at, and what is not known. */
export function worstFirst<T extends { board: StuckBoard | undefined }>(boards: readonly T[]): T[] {
  const rank = ({ board }: T): [number, string, number] => {
    if (!board || board.state !== "ready") return [2, "", 0];
    const waiting = waitingKeys(board);
    // An age that is not known sorts behind those that are.
    return waiting > 0 ? [0, oldestWaiting(board.steps ?? [])?.oldest_since ?? "9", -waiting] : [1, "", 0];
  };
  return boards
    .map((one): [T, [number, string, number]] => [one, rank(one)])
    .sort(([, a], [, b]) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0) || a[2] - b[2])
    .map(([one]) => one);
}

/** `3 of 7 open keys wait, the oldest 7 h at 4 “Invoice was written”.` Ages count up to `now`. */
export function boardSentence(board: StuckBoard, now: number): Sentence {
  const open = board.open_keys ?? 0;
  const waiting = waitingKeys(board);
  if (open === 0) return { lead: "No key is open.", emphasis: "", tail: "" };
  if (waiting === 0) return { lead: `${open === 1 ? "The one open key has" : `All ${plural(open, "open key")} have`} passed every counted step.`, emphasis: "", tail: "" };
  const step = oldestWaiting(board.steps ?? []);
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
