/** Roles and deeds in words. */
import type { Role } from "@/api/types";

export const ROLES: readonly { role: Role; may: string }[] = [
  { role: "viewer", may: "sees processes, runs and reports" },
  { role: "operator", may: "also starts and cancels checks, pauses schedules, sees connections" },
  { role: "editor", may: "also changes processes, connections and notifications" },
  { role: "admin", may: "also manages accounts and reads the audit log" },
];

/** The roles that someone with a role may give away: none above the own. */
export function rolesUpTo(own: Role | undefined): Role[] {
  const last = ROLES.findIndex(({ role }) => role === own);
  return ROLES.slice(0, last + 1).map(({ role }) => role);
}

export const roleOptions = (roles: readonly Role[]): [string, string][] => roles.map((role) => [role, `${role}: ${ROLES.find((one) => one.role === role)?.may ?? ""}`]);

const THING: Record<string, string> = { run: "runs", process: "processes", connection: "connections", channel: "channels", rule: "rules", delivery: "deliveries", schedule: "schedules", board: "stuck boards", step: "trials of steps", user: "accounts", token: "tokens", session: "sign-ins" };

/** Beginnings of deeds that the audit log can be filtered by. */
export const DEEDS: [string, string][] = [["", "Any deed"], ...Object.entries(THING).map(([name, words]): [string, string] => [`${name}.`, words])];

const DEED: Record<string, string> = {
  "session.begin": "signed in",
  "session.end": "signed out",
  "session.refused": "was refused to sign in",
  "run.start": "started a check of",
  "run.cancel": "cancelled the run",
  "step.try": "tried a step of",
  "board.refresh": "took the stuck board of",
  "channel.test": "sent a test to",
  "connection.test": "tested the connection",
  "delivery.retry": "sent again",
  "user.link": "made a sign-in link for",
  "user.password": "set the password of",
  "token.revoke": "revoked the token",
};

const VERB: Record<string, string> = { create: "made", save: "changed", delete: "deleted", restore: "restored", pause: "paused", resume: "resumed" };

/** `process.save` is `changed the process`; what is not known stays as it is. */
export function deedWords(action: string): string {
  const [thing = "", verb = ""] = action.split(".");
  const known = DEED[action];
  if (known) return known;
  return VERB[verb] ? `${VERB[verb]} the ${thing === "user" ? "account" : thing}` : action;
}

/** Deeds that did not do what was asked, or that took something away. */
export const isAlarming = (action: string): boolean => action === "session.refused";
