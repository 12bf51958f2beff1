/** Notifications in words. */
import type { Channel, Delivery, EmailSettings, NotifyRule, RuleWrite } from "@/api/types";
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

export type Security = NonNullable<EmailSettings["security"]>;

/** How the way to a mail server is protected, with the port that usually goes with it. */
export const SECURITIES: readonly (readonly [Security, string, number])[] = [
  ["starttls", "STARTTLS", 587],
  ["tls", "TLS from the start", 465],
  ["none", "None", 25],
];

/** E-mail while it is written: texts as they are typed. */
export type MailDraft = { host: string; port: string; security: Security; authority: string; account: string; sender: string; recipients: string };

export function mailDraft(email: EmailSettings | null | undefined): MailDraft {
  return {
    host: email?.host ?? "",
    port: String(email?.port ?? 587),
    security: email?.security ?? "starttls",
    authority: email?.ca_certificate ?? "",
    account: email?.username ?? "",
    sender: email?.sender ?? "",
    recipients: email?.recipients.join("\n") ?? "",
  };
}

/** Another protection, with its usual port unless somebody wrote one of their own. */
export function withSecurity(draft: MailDraft, security: Security): MailDraft {
  const usual = SECURITIES.find(([name]) => name === security)![2];
  const own = !SECURITIES.some(([, , port]) => String(port) === draft.port.trim());
  return { ...draft, security, port: own ? draft.port : String(usual) };
}

/** One address a line; commas and semicolons part them as well. */
export const recipientsOf = (text: string): string[] => text.split(/[\n,;]+/).map((one) => one.trim()).filter(Boolean);

/** As the API wants it. Without encryption there is no account. */
export function mailFrom(draft: MailDraft): EmailSettings {
  const account = draft.security === "none" ? "" : draft.account.trim();
  return {
    host: draft.host.trim(),
    // No text is no number: the server says so at the field.
    port: draft.port.trim() ? Number(draft.port) : NaN,
    security: draft.security,
    ca_certificate: draft.security === "none" ? null : draft.authority.trim() || null,
    username: account || null,
    sender: draft.sender.trim(),
    recipients: recipientsOf(draft.recipients),
  };
}

/** What is wrong with one of several recipients, by its own text. */
export function recipientsFault(errors: Readonly<Record<string, string>>, text: string): string | undefined {
  const found = Object.entries(errors).find(([place]) => place.startsWith("email.recipients"));
  const number = /\[(\d+)\]$/.exec(found?.[0] ?? "")?.[1];
  return found && number ? `${recipientsOf(text)[Number(number)] ?? ""}: ${found[1]}` : found?.[1];
}

/** Where a channel leads, in one line. */
export function channelTarget({ url, email }: Pick<Channel, "url" | "email">): string {
  if (!email) return url ?? "";
  const [first, second, ...others] = email.recipients;
  return [first, second].filter(Boolean).join(", ") + (others.length ? ` and ${others.length} more` : "");
}

/** `SMTP 250` and `2.0.0 OK queued as 7`; of what older versions sent, `HTTP 204`. */
export function answerParts({ last_answer, last_status_code }: Pick<Delivery, "last_answer" | "last_status_code">): [string, string] {
  const [, code, words] = /^(\S+ \d+) ?(.*)$/.exec(last_answer ?? "") ?? [];
  return [code ?? (last_status_code ? `HTTP ${last_status_code}` : ""), words ?? last_answer ?? ""];
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
