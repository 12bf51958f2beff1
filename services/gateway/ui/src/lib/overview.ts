/** The overview in order and in one sentence. */
import type { ProcessRow, RunStatus } from "@/api/types";
import { severity, type Tone, tone, word } from "./status";

/** What needs a person first; among equals what has stood longest; then by name. */
export function redFirst(rows: readonly ProcessRow[]): ProcessRow[] {
  return [...rows].sort(
    (a, b) =>
      severity(a.state.last_status) - severity(b.state.last_status) ||
      trouble(a) * ((a.state.since ?? "") < (b.state.since ?? "") ? -1 : (a.state.since ?? "") > (b.state.since ?? "") ? 1 : 0) ||
      a.name.localeCompare(b.name),
  );
}

/** Only trouble is ordered by age: rows that are fine keep their place. */
function trouble(row: ProcessRow): number {
  return ["failed", "overdue", "error"].includes(tone(row.state.last_status)) ? 1 : 0;
}

export type Part = { text: string; tone?: Tone };

/** `2 of 14 processes need a look: 1 failed, 1 stuck.`, `Nothing failed: 1 not yet, 13 success.` or `All 14 processes are fine.` */
export function overviewVerdict(rows: readonly ProcessRow[]): Part[] {
  if (rows.length === 0) return [{ text: "Nothing to watch yet." }];
  const bad = rows.filter((row) => trouble(row));
  const known = rows.filter((row) => row.state.last_status);
  if (known.length === 0) return [{ text: `${many(rows.length)} ${rows.length === 1 ? "waits" : "wait"} for ${rows.length === 1 ? "its" : "their"} first check.` }];
  if (bad.length === 0 && rows.some((row) => row.state.last_status !== "success")) return [{ text: "Nothing failed", tone: "ok" }, { text: `: ${listed(redFirst(rows))}.` }];
  if (bad.length === 0) {
    const all = rows.length === 1 ? "The one process" : `All ${rows.length} processes`;
    return [{ text: `${all} ${rows.length === 1 ? "is" : "are"} ` }, { text: "fine", tone: "ok" }, { text: "." }];
  }
  const ordered = redFirst(bad);
  return [
    { text: `${bad.length} of ${many(rows.length)}`, tone: tone(ordered[0]!.state.last_status) },
    { text: ` ${bad.length === 1 ? "needs" : "need"} a look: ${listed(ordered)}.` },
  ];
}

function many(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "process" : "processes"}`;
}

function listed(rows: readonly ProcessRow[]): string {
  const seen = new Map<string, number>();
  for (const row of rows) seen.set(word(row.state.last_status), (seen.get(word(row.state.last_status)) ?? 0) + 1);
  return [...seen].map(([name, count]) => `${count} ${name}`).join(", ");
}

export type Count = { status: RunStatus | null; label: string; tone: Tone; count: number };

/** How many processes are in each state, worst first; states that nothing is in are left out. */
export function counts(rows: readonly ProcessRow[]): Count[] {
  const seen = new Map<RunStatus | null, number>();
  for (const { state } of rows) seen.set(state.last_status ?? null, (seen.get(state.last_status ?? null) ?? 0) + 1);
  return [...seen]
    .map(([status, count]) => ({ status, label: word(status), tone: tone(status), count }))
    .sort((a, b) => severity(a.status) - severity(b.status));
}

/** How long the state has stood, as a phrase: `stuck for`, `fine for`. */
export function standing(status: RunStatus | null | undefined): string {
  return status === "success" ? "fine for" : `${word(status)} for`;
}
