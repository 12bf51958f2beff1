/** Schedules, their ticks and maintenance windows in words. */
import type { Maintenance, ScheduleState, Tick } from "@/api/types";
import { formatWritten, plural, readDuration } from "./format";
import type { Tone } from "./status";
import { showValue } from "./value";

/** `every 15 min` or `0 6 * * 1-5 (Europe/Berlin)`. */
export function rhythm({ every_seconds, cron, timezone }: Pick<ScheduleState, "every_seconds" | "cron" | "timezone">): string {
  return every_seconds ? `every ${formatWritten(every_seconds)}` : `${cron} (${timezone})`;
}

/** `order_id 4711 · starts up to 30 s later · made up for once`. */
export function rhythmDetails({ inputs, jitter_seconds, catch_up }: ScheduleState): string {
  const given = Object.entries(inputs ?? {}).map(([name, value]) => `${name} ${showValue(value)}`);
  const parts = [...given];
  if (jitter_seconds) parts.push(`starts up to ${formatWritten(jitter_seconds)} later`);
  if (catch_up === "once") parts.push("missed ticks are made up for by one run");
  return parts.join(" · ");
}

const OUTCOME: Record<Tick["outcome"], { tone: Tone; word: string }> = {
  started: { tone: "ok", word: "started" },
  skipped: { tone: "skipped", word: "skipped" },
  missed: { tone: "overdue", word: "missed" },
  refused: { tone: "failed", word: "refused" },
};

const REASON: Record<string, string> = {
  maintenance: "during maintenance",
  paused: "while paused",
  still_running: "the run before was still going",
  process_off: "the process was not active",
  late: "nobody was there to start it",
  invalid_inputs: "its inputs do not fit",
  not_startable: "its connections do not allow it",
};

export function tickWords({ outcome, reason, count = 1 }: Pick<Tick, "outcome" | "reason" | "count">): { tone: Tone; word: string; why: string | null } {
  const { tone, word } = OUTCOME[outcome];
  return { tone, word: count > 1 ? `${plural(count, "tick")} ${word}` : word, why: reason ? (REASON[reason] ?? reason.replaceAll("_", " ")) : null };
}

/** `30 2 * * 0 (Europe/Berlin) for 2 h`, or the moments themselves as they are shown by `exact`. */
export function maintenanceText(window: Maintenance, exact: (iso: string) => string): string {
  if (window.cron) return `${window.cron} (${window.timezone ?? "UTC"}) for ${readDuration(window.duration) ?? window.duration}`;
  return [window.from && `from ${exact(window.from)}`, window.until && `until ${exact(window.until)}`].filter(Boolean).join(" ");
}

/** In how many milliseconds schedules are read again: just after the next of them is due, so that none stands there as
 * next although it has been, and at least four times a minute, since others may pause or change them. */
export function readAgainMs(schedules: readonly Pick<ScheduleState, "next_run_at">[], now: number): number {
  const due = schedules.flatMap(({ next_run_at }) => (next_run_at ? [Date.parse(next_run_at) - now] : []));
  return Math.max(2_000, Math.min(15_000, ...due.map((ms) => ms + 1_000)));
}
