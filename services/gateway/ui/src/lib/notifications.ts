/** Notifications in words. */
import type { Delivery, NotifyRule, RuleWrite } from "@/api/types";
import { readDuration } from "./format";
import type { Tone } from "./status";

export type Moment = RuleWrite["on"][number];

/** What a rule can be told about, the most usual first. */
export const MOMENTS: readonly (readonly [Moment, string])[] = [
  ["incident_opened", "an incident opens"],
  ["incident_resolved", "an incident is over"],
  ["failed", "failed"],
  ["stuck", "stuck"],
  ["timeout", "timed out"],
  ["error", "could not be checked"],
  ["recovered", "good again"],
  ["warning", "warning"],
  ["not_yet", "not yet"],
  ["success", "success"],
  ["finished", "every end"],
];

const WORD: Record<string, string> = Object.fromEntries(MOMENTS);

export const momentWord = (moment: string): string => WORD[moment] ?? moment.replaceAll("_", " ");

/** What most people want to hear. */
const USUAL: readonly Moment[] = ["failed", "stuck", "timeout", "error", "recovered"];

/** A rule while it is written: texts as they are typed. */
export type RuleDraft = { channel: string; on: readonly Moment[]; process: string; category: string; after: string; remind: string; active: boolean };

export function ruleDraft(rule: NotifyRule | undefined, channel: string): RuleDraft {
  if (!rule) return { channel, on: USUAL, process: "", category: "", after: "1", remind: "", active: true };
  return {
    channel: rule.channel_id,
    on: rule.on,
    process: rule.process_id ?? "",
    category: rule.category ?? "",
    after: String(rule.after_failures),
    remind: rule.remind_every ?? "",
    active: rule.active,
  };
}

/** As the API wants it. A process has one category: naming the process says it all. */
export function ruleFrom(draft: RuleDraft, ruleId: string): RuleWrite {
  const process = draft.process.trim();
  return {
    rule_id: ruleId,
    channel_id: draft.channel,
    on: MOMENTS.map(([moment]) => moment).filter((moment) => draft.on.includes(moment)),
    process_id: process || null,
    category: process ? null : draft.category || null,
    // No text is no number: the server says so at the field.
    after_failures: draft.after.trim() ? Number(draft.after) : NaN,
    remind_every: draft.remind.trim() || null,
    active: draft.active,
  };
}

/** `failed, stuck or good again`. */
export function momentsText(moments: readonly string[]): string {
  const words = moments.map(momentWord);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** `from the 3rd failure in a row, again every 2 h`. */
export function patienceText({ after_failures = 1, remind_every }: Partial<Pick<NotifyRule, "after_failures" | "remind_every">>): string {
  const parts = [after_failures > 1 ? `after ${after_failures} failures in a row` : "at once"];
  if (remind_every) parts.push(`again every ${readDuration(remind_every) ?? remind_every}`);
  return parts.join(", ");
}

const STATE: Record<Delivery["status"], { tone: Tone; word: string }> = {
  delivered: { tone: "ok", word: "delivered" },
  pending: { tone: "running", word: "on its way" },
  undelivered: { tone: "failed", word: "not delivered" },
};

/** A message that failed once and is tried again is not on its way: it waits. */
export function deliveryState({ status, tries }: Pick<Delivery, "status" | "tries">): { tone: Tone; word: string } {
  return status === "pending" && tries > 0 ? { tone: "warn", word: "is tried again" } : STATE[status];
}
