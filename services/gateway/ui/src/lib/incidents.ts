/** Incidents in words. */
import type { AffectedKey, Incident, IncidentState, IncidentView } from "@/api/types";
import { plural } from "./format";
import type { Tone } from "./status";

const STATE: Record<IncidentState, { tone: Tone; word: string }> = {
  open: { tone: "failed", word: "open" },
  acknowledged: { tone: "running", word: "in hand" },
  resolved: { tone: "ok", word: "resolved" },
};

export const incidentState = (state: IncidentState) => STATE[state];

/** `stops 12 keys of 3 processes`, `stops 3 processes` where each is stopped once; of one that is over: `stopped …`. */
export function reach({ state, processes, keys_open, process_count }: Pick<Incident, "state" | "processes" | "keys_open" | "process_count">): string {
  const over = state === "resolved";
  const keys = over ? processes.reduce((sum, one) => sum + one.keys, 0) : keys_open;
  const whom = plural(process_count, "process", "processes");
  return `${over ? "stopped" : "stops"} ${keys > process_count ? `${plural(keys, "key")} of ` : ""}${whom}`;
}

const WHAT: Record<IncidentView["timeline"][number]["what"], string> = {
  opened: "Opened",
  reopened: "Opened again",
  acknowledged: "Acknowledged",
  unacknowledged: "Given back",
  resolved: "Resolved",
};

/** `Resolved by ada`, `Resolved by itself: every key passed`. */
export function lineText({ what, by }: Pick<IncidentView["timeline"][number], "what" | "by">): string {
  if (by) return `${WHAT[what]} by ${by}`;
  return what === "resolved" ? "Resolved by itself: nothing of it is left" : WHAT[what];
}

const CLEARED: Record<NonNullable<AffectedKey["cleared_by"]>, string> = {
  passed: "passed again",
  deleted: "process deleted",
  unseen: "no longer checked",
  hand: "let go by hand",
};

export const clearedText = (by: AffectedKey["cleared_by"]): string => (by ? CLEARED[by] : "stopped");
