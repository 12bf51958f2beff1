/** Parts of a definition in words. */
import type { Assertion, Capture, Definition, Schedule, Step } from "@/api/types";
import { readDuration } from "./format";
import { inUnit, showExpectation, showValue } from "./value";

/** `$.state one of PAID, SHIPPED`, `.order-number text = 4711`, `rows = 1`. */
export function assertionText(assertion: Assertion): string {
  const subject = assertion.argument ? `${prefixOf(assertion.subject)}${assertion.argument}` : assertion.subject;
  const where = [assertion.row && `${assertion.row} row`, subject, assertion.part].filter(Boolean).join(" ");
  const holds = Object.entries(assertion.operators).map(([operator, expected]) => showExpectation(operator, inUnit(assertion.subject, expected)));
  return `${where} ${holds.join(" and ")}`;
}

/** Selectors and paths speak for themselves; a header or column is named as such. */
function prefixOf(subject: string): string {
  return ["jsonpath", "selector", "xpath"].includes(subject) ? "" : `${subject} `;
}

/** `$.placed_at as datetime`, `column invoice_no, first row`. */
export function captureText(capture: Capture): string {
  const sources = ["jsonpath", "selector", "xpath", "regex", "header", "column", "file"] as const;
  const source = sources.find((name) => capture[name] !== null && capture[name] !== undefined);
  const parts = [source ? `${prefixOf(source)}${capture[source]}` : "", capture.attribute && `attribute ${capture.attribute}`];
  if (source === "column") parts.push(`${capture.row ?? "first"} row`);
  const text = parts.filter(Boolean).join(", ");
  return `${text}${capture.type ? ` as ${capture.type}` : ""}${capture.optional ? " (optional)" : ""}`;
}

type Retry = Step["retry"] | NonNullable<Definition["defaults"]>["retry"];

/** `at most 3, 2 s apart, growing to 30 s, after dns, connect`. */
export function retryText(retry: Retry, attempts: number): string {
  if (attempts <= 1) return "one, no repeat";
  if (!retry) return `at most ${attempts}`;
  const growing = retry.backoff === "exponential" ? `, growing to ${readDuration(retry.max_interval) ?? "30 s"}` : "";
  return `at most ${attempts}, ${readDuration(retry.interval) ?? "2 s"} apart${growing}`;
}

/** `looks every 5 s for at most 1 min`. */
export function waitText(step: Step): string | null {
  const wait = step.wait_until;
  return wait ? `looks every ${readDuration(wait.interval)} for at most ${readDuration(wait.timeout)}` : null;
}

/** `every 15 min` or `at 0 6 * * 1-5 (Europe/Berlin)`, with its inputs. */
export function scheduleText(schedule: Schedule): string {
  const when = schedule.every ? `every ${readDuration(schedule.every)}` : `at ${schedule.cron} (${schedule.timezone})`;
  const inputs = Object.entries(schedule.inputs ?? {}).map(([name, value]) => `${name} ${showValue(value)}`);
  return inputs.length ? `${when} with ${inputs.join(", ")}` : when;
}
