/** What is wrong with a draft, brought to its places: in the text, at the fields of the form, at the steps. */
import { type Draft, parsePath, rangeOf } from "./draft";

export type Found = { path: string; message: string; line?: number | null };
export type Issue = { severity: "error" | "warning"; path: string; message: string; line: number; from: number; to: number };

/** Syntax first: while the text cannot be read, what the server said about it before has no place. */
export function issuesOf(draft: Draft, errors: readonly Found[], warnings: readonly Found[]): Issue[] {
  if (draft.faults.length > 0) return draft.faults.map((fault) => ({ severity: "error", path: "", ...fault }));
  return [...errors.map((found) => placed(draft, found, "error")), ...warnings.map((found) => placed(draft, found, "warning"))].sort((a, b) => a.from - b.from);
}

function placed(draft: Draft, { path, message, line }: Found, severity: Issue["severity"]): Issue {
  const range = rangeOf(draft.document, parsePath(path));
  const whole = range.to === 0 && line ? rangeOfLine(draft.text, line) : range;
  return { severity, path: path.replace(/^body\.?/, ""), message, line: lineOf(draft.text, whole.from), ...whole };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function rangeOfLine(text: string, line: number): { from: number; to: number } {
  const lines = text.split("\n");
  const from = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
  return { from, to: from + (lines[line - 1]?.length ?? 0) };
}

/** The first error of every path, as forms ask for them. */
export function errorsByPath(issues: readonly Issue[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { severity, path, message } of issues) if (severity === "error") found[path] ??= message;
  return found;
}

/** How many errors lie in a step. */
export function errorsInStep(issues: readonly Issue[], index: number): number {
  return issues.filter(({ severity, path }) => severity === "error" && (path === `steps[${index}]` || path.startsWith(`steps[${index}].`))).length;
}
