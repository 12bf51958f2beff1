/** What addresses may carry behind `?`. Anything that is not understood is dropped, never passed on. */
import { RUN_STATUSES } from "./status";
import type { RunStatus } from "@/api/types";
import { type Period, PERIODS } from "./trends";

type Raw = Record<string, unknown>;

function text(raw: Raw, name: string, longest = 200): string | undefined {
  const value = raw[name];
  const string = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return typeof string === "string" && string !== "" ? string.slice(0, longest) : undefined;
}

function status(raw: Raw): RunStatus | undefined {
  const value = text(raw, "status");
  return RUN_STATUSES.find((known) => known === value);
}

/** Removes what is not set, so that addresses stay short. */
function tidy<T extends Record<string, unknown>>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

export type OverviewSearch = { wall?: 1 };
export const overviewSearch = (raw: Raw): OverviewSearch => tidy({ wall: text(raw, "wall") === "1" ? (1 as const) : undefined });

export type ProcessesSearch = { q?: string; category?: string; tag?: string; owner?: string; status?: RunStatus; active?: "yes" | "no" };
export function processesSearch(raw: Raw): ProcessesSearch {
  const active = text(raw, "active");
  return tidy({
    q: text(raw, "q"),
    category: text(raw, "category"),
    tag: text(raw, "tag"),
    owner: text(raw, "owner"),
    status: status(raw),
    active: active === "yes" || active === "no" ? active : undefined,
  });
}

/** `time` opens the timeline, `at` is the event that a replay stands at. */
export type RunSearch = { step?: string; tab?: string; time?: 1; at?: number };
export function runSearch(raw: Raw): RunSearch {
  const at = Number(text(raw, "at"));
  return tidy({
    step: text(raw, "step", 63),
    tab: text(raw, "tab", 20),
    time: text(raw, "time") === "1" ? (1 as const) : undefined,
    at: Number.isInteger(at) && at > 0 ? at : undefined,
  });
}

export type ProcessSearch = RunSearch & { run?: string };
export const processSearch = (raw: Raw): ProcessSearch => tidy({ ...runSearch(raw), run: text(raw, "run", 64) });

export type DefinitionSearch = { rev?: number };
export function definitionSearch(raw: Raw): DefinitionSearch {
  const rev = Number(text(raw, "rev"));
  return tidy({ rev: Number.isInteger(rev) && rev > 0 ? rev : undefined });
}

/** `from` is the process that is copied. */
export type NewProcessSearch = { from?: string };
export const newProcessSearch = (raw: Raw): NewProcessSearch => tidy({ from: text(raw, "from", 64) });

const TRIGGERS = ["manual", "api", "cli", "schedule", "recheck"] as const;
export type Trigger = (typeof TRIGGERS)[number];
export type HistorySearch = { process_id?: string; status?: RunStatus; key?: string; initiated_by?: string; trigger?: Trigger; since?: string; until?: string };
export function historySearch(raw: Raw): HistorySearch {
  const trigger = text(raw, "trigger");
  return tidy({
    process_id: text(raw, "process_id"),
    status: status(raw),
    key: text(raw, "key"),
    initiated_by: text(raw, "initiated_by"),
    trigger: TRIGGERS.find((known) => known === trigger),
    since: day(raw, "since"),
    until: day(raw, "until"),
  });
}

function day(raw: Raw, name: string): string | undefined {
  const value = text(raw, name);
  return value && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)) ? value : undefined;
}

/** The start of a local day, and of the day after, as the API wants moments. */
export const dayStart = (value: string | undefined): string | undefined => (value ? new Date(`${value}T00:00:00`).toISOString() : undefined);
export function dayEnd(value: string | undefined): string | undefined {
  if (!value) return undefined;
  const date = new Date(`${value}T00:00:00`);
  date.setDate(date.getDate() + 1);
  return date.toISOString();
}

export type ConnectionSearch = { kind?: string };
export const connectionSearch = (raw: Raw): ConnectionSearch => tidy({ kind: text(raw, "kind", 20) });

const DELIVERY_STATES = ["pending", "delivered", "undelivered"] as const;
const NOTIFICATION_TABS = ["channels", "rules", "log"] as const;
export type NotificationsSearch = { tab?: (typeof NOTIFICATION_TABS)[number]; status?: (typeof DELIVERY_STATES)[number]; channel?: string };
export function notificationsSearch(raw: Raw): NotificationsSearch {
  return tidy({ tab: NOTIFICATION_TABS.find((one) => one === raw.tab), status: DELIVERY_STATES.find((one) => one === raw.status), channel: text(raw, "channel", 64) });
}

const INCIDENT_STATES = ["acknowledged", "resolved", "all"] as const;
/** Without a state: what is not over. */
export type IncidentsSearch = { state?: (typeof INCIDENT_STATES)[number]; process_id?: string };
export const incidentsSearch = (raw: Raw): IncidentsSearch => tidy({ state: INCIDENT_STATES.find((one) => one === raw.state), process_id: text(raw, "process_id", 64) });

const ADMINISTRATION_TABS = ["workers", "users", "account", "audit", "about"] as const;
export type AdministrationSearch = { tab?: (typeof ADMINISTRATION_TABS)[number]; actor?: string; action?: string; since?: string; until?: string };
export function administrationSearch(raw: Raw): AdministrationSearch {
  return tidy({ tab: ADMINISTRATION_TABS.find((one) => one === raw.tab), actor: text(raw, "actor"), action: text(raw, "action", 100), since: day(raw, "since"), until: day(raw, "until") });
}

export type BoardSearch = { step?: string; finished?: 1; q?: string };
export function boardSearch(raw: Raw): BoardSearch {
  return tidy({ step: text(raw, "step", 63), finished: text(raw, "finished") === "1" ? (1 as const) : undefined, q: text(raw, "q") });
}

export type TrendsSearch = { process_id?: string; step_id?: string; days?: Period };
export function trendsSearch(raw: Raw): TrendsSearch {
  const days = Number(text(raw, "days"));
  return tidy({ process_id: text(raw, "process_id", 64), step_id: text(raw, "step_id", 63), days: PERIODS.find((one) => one === days) });
}

/** An address of this site to go to after signing in; anything else leads to the overview. */
export function safeNext(next: string | undefined): string {
  return next && /^\/(?![/\\])/.test(next) && !next.startsWith("/sign-in") ? next : "/";
}

export type SignInSearch = { next?: string; ended?: 1 };
export const signInSearch = (raw: Raw): SignInSearch => tidy({ next: text(raw, "next", 2000), ended: text(raw, "ended") === "1" ? (1 as const) : undefined });
