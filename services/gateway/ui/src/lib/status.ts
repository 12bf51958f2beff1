/** The words and tones of states. One tone is one colour and one icon; the word always stands beside them. */
import type { FailureClass, RunStatus, StepStatus } from "@/api/types";

export type AnyStatus = RunStatus | StepStatus;

/** What a colour means, the same in every screen. */
export type Tone = "ok" | "warn" | "notyet" | "overdue" | "failed" | "error" | "running" | "queued" | "skipped" | "cancelled";

const TONE: Record<AnyStatus, Tone> = {
  success: "ok",
  warning: "warn",
  not_yet: "notyet",
  overdue: "overdue",
  stuck: "overdue",
  failed: "failed",
  timeout: "failed",
  error: "error",
  running: "running",
  retrying: "running",
  waiting: "running",
  queued: "queued",
  pending: "queued",
  skipped: "skipped",
  cancelled: "cancelled",
};

const WORD: Record<AnyStatus, string> = {
  success: "success",
  warning: "warning",
  not_yet: "not yet",
  overdue: "overdue",
  stuck: "stuck",
  failed: "failed",
  timeout: "timed out",
  error: "could not check",
  running: "running",
  retrying: "retrying",
  waiting: "waiting",
  queued: "queued",
  pending: "queued",
  skipped: "skipped",
  cancelled: "cancelled",
};

export function tone(status: AnyStatus | null | undefined): Tone {
  return status ? (TONE[status] ?? "queued") : "queued";
}

export function word(status: AnyStatus | null | undefined): string {
  return status ? (WORD[status] ?? status) : "never run";
}

const OPEN_RUN: ReadonlySet<string> = new Set(["queued", "running"]);
const OPEN_STEP: ReadonlySet<string> = new Set(["pending", "running", "retrying", "waiting"]);
const TROUBLE: ReadonlySet<string> = new Set(["failed", "timeout", "error", "overdue", "stuck", "not_yet"]);

export function isOpenRun(status: RunStatus | null | undefined): boolean {
  return status !== null && status !== undefined && OPEN_RUN.has(status);
}

export function isOpenStep(status: StepStatus): boolean {
  return OPEN_STEP.has(status);
}

/** Steps worth opening first, and the stops of the keys `n` and `p`. */
export function isTrouble(status: AnyStatus): boolean {
  return TROUBLE.has(status);
}

/** Red first: what needs a person before what does not. */
const SEVERITY: Record<Tone, number> = {
  failed: 0,
  overdue: 1,
  error: 2,
  warn: 3,
  notyet: 4,
  running: 5,
  cancelled: 6,
  queued: 7,
  skipped: 7,
  ok: 8,
};

export function severity(status: AnyStatus | null | undefined): number {
  return status ? SEVERITY[tone(status)] : SEVERITY.queued;
}

export const RUN_STATUSES: readonly RunStatus[] = [
  "failed",
  "stuck",
  "timeout",
  "error",
  "warning",
  "not_yet",
  "running",
  "queued",
  "success",
  "cancelled",
];

const FAILURE: Record<FailureClass, string> = {
  dns: "Name not found (DNS)",
  connect: "No connection",
  tls: "TLS certificate or handshake",
  auth: "Sign-in refused",
  permission: "Not allowed",
  rate_limited: "Too many requests",
  timeout: "Took too long",
  http_status: "HTTP status",
  assertion: "Not as expected",
  not_found: "Not found",
  stale: "Too old",
  too_many: "Too many",
  too_large: "Too large",
  schema_changed: "Shape changed",
  protocol: "Broken answer",
  blocked_by_policy: "Blocked by policy",
  invalid_definition: "Definition does not fit",
  worker_lost: "Worker lost",
  internal: "Our own fault",
};

/** A failure class as words. */
export function failureWord(failure: string | null | undefined): string | null {
  if (!failure) return null;
  return FAILURE[failure as FailureClass] ?? failure.replaceAll("_", " ");
}

/** The kind of a check as words. */
export function kindWord(checkType: string): string {
  const words: Record<string, string> = { web_crawl: "web page", web_crawl_rendered: "rendered page", api_call: "API", db_query: "SQL", file_check: "file" };
  return words[checkType] ?? checkType.replaceAll("_", " ");
}
