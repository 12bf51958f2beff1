/** The overview in one sentence, from how all processes stand. */
import type { OverviewCounts, ProcessRow, RunStatus } from "@/api/types";
import { severity, type Tone, tone, word } from "./status";

export type Part = { text: string; tone?: Tone };
export type Count = { status: RunStatus | null; label: string; tone: Tone; count: number };

/** How many processes are in each state, worst first; states that nothing is in are left out. */
export function countsOf({ by_status, never_run }: OverviewCounts): Count[] {
  const found: [RunStatus | null, number][] = [...(Object.entries(by_status) as [RunStatus, number][]), [null, never_run]];
  return found
    .filter(([, count]) => count > 0)
    .map(([status, count]) => ({ status, label: word(status), tone: tone(status), count }))
    .sort((a, b) => severity(a.status) - severity(b.status));
}

const TROUBLE: readonly Tone[] = ["failed", "overdue", "error"];

/** `2 of 14 processes need a look: 1 failed, 1 stuck.`, `Nothing failed: 1 not yet, 13 fine.` or `All 14 processes are fine.`
 *
 *  A process stands as its last run, which may have been of another key: with incidents that are not over, nothing is called fine. */
export function overviewVerdict(overview: OverviewCounts, incidents = 0): Part[] {
  const all = overview.processes;
  const one = all === 1;
  const counts = countsOf(overview);
  const bad = counts.filter((count) => TROUBLE.includes(count.tone));
  const inTrouble = bad.reduce((sum, { count }) => sum + count, 0);
  if (all === 0) return [{ text: "Nothing to watch yet." }];
  if (overview.never_run === all) return [{ text: `${many(all)} ${one ? "waits for its" : "wait for their"} first check.` }];
  if (inTrouble > 0) {
    return [{ text: `${inTrouble.toLocaleString("en")} of ${many(all)}`, tone: bad[0]!.tone }, { text: ` ${inTrouble === 1 ? "needs" : "need"} a look: ${listed(bad)}.` }];
  }
  if (incidents > 0) {
    const words = `${incidents.toLocaleString("en")} ${incidents === 1 ? "incident is" : "incidents are"} not over`;
    return [{ text: words, tone: "failed" }, { text: `; last runs: ${listed(counts)}.` }];
  }
  if ((overview.by_status.success ?? 0) < all) return [{ text: "Nothing failed", tone: "ok" }, { text: `: ${listed(counts)}.` }];
  return [{ text: one ? "The one process is " : `All ${all.toLocaleString("en")} processes are ` }, { text: "fine", tone: "ok" }, { text: "." }];
}

function many(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "process" : "processes"}`;
}

const listed = (counts: readonly Count[]): string => counts.map(({ status, count, label }) => `${count.toLocaleString("en")} ${status === "success" ? "fine" : label}`).join(", ");

/** What to say of a process that no run has given a verdict yet. */
export function withoutVerdict({ running, recent }: Pick<ProcessRow["state"], "running" | "recent">): { standing: string; says: string } {
  if ((running ?? 0) > 0) return { standing: "running", says: "The first check is under way." };
  if ((recent ?? []).length > 0) return { standing: "never finished", says: "No check has come to its end yet." };
  return { standing: word(null), says: "Never checked" };
}

/** How long the state has stood, as a phrase: `stuck for`, `fine for`. */
export function standing(status: RunStatus | null | undefined): string {
  return status === "success" ? "fine for" : `${word(status)} for`;
}
