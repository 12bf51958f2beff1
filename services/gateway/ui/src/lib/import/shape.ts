/** What every import makes: steps in written form, and a report of what was left behind. */
import { freeId, idOf } from "../draft";

export type ImportedStep = { id: string; name: string; check: Record<string, unknown>; assert?: Record<string, unknown>[]; capture?: Record<string, Record<string, unknown>>; [more: string]: unknown };
export type Lost = { where: string; what: string };
export type Imported = { name: string; steps: ImportedStep[]; lost: Lost[]; about?: Record<string, unknown> };

/** Something that cannot be imported at all, in words for the person who tried. */
export class ImportProblem extends Error {}

export const MOST_STEPS = 200;

/** Gives every step an id of its own, and drops what is beyond the limit of a process. */
export function finished(name: string, steps: Omit<ImportedStep, "id">[], lost: Lost[], about?: Record<string, unknown>): Imported {
  if (steps.length > MOST_STEPS) lost.push({ where: name, what: `${steps.length - MOST_STEPS} steps beyond the ${MOST_STEPS} that a process can have` });
  const taken: string[] = [];
  const named = steps.slice(0, MOST_STEPS).map((step) => {
    const id = freeId(typeof step.id === "string" ? idOf(step.id) : idOf(step.name as string), taken);
    taken.push(id);
    return { ...step, id, name: (step.name as string).slice(0, 200) } as ImportedStep;
  });
  return { name, steps: named.map(ordered), lost, about };
}

/** As people write a step: id and name first. */
function ordered({ id, name, ...rest }: ImportedStep): ImportedStep {
  return { id, name, ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) } as ImportedStep;
}

/** Headers that carry credentials: they never go into a definition. */
const SECRET_HEADER = /^(authorization|proxy-authorization|cookie|x-api-key|api-key|x-auth-token|x-csrf-token)$/i;
/** Headers that the client writes itself. */
const OWN_HEADER = /^(host|content-length|connection|accept-encoding|user-agent|referer|origin|dnt|te|upgrade-insecure-requests|priority|pragma|cache-control|accept-language|if-none-match|if-modified-since|:.*|sec-.*)$/i;

/** Headers worth keeping; credentials are reported, what a browser adds by itself is dropped silently. */
export function keptHeaders(headers: readonly (readonly [string, string])[], where: string, lost: Lost[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (SECRET_HEADER.test(name)) lost.push({ where, what: `header ${name}: a credential, keep it in the secrets of a connection` });
    else if (!OWN_HEADER.test(name)) kept[name] = value;
  }
  return kept;
}

/** An address without user name and password, which are reported. */
export function safeUrl(address: string, where: string, lost: Lost[]): string {
  const match = /^(https?:\/\/)([^/?#@]*@)(.*)$/i.exec(address);
  if (!match) return address;
  lost.push({ where, what: "user name and password in the address: keep them in the secrets of a connection" });
  return match[1]! + match[3]!;
}

/** A body as JSON if it is JSON, as form if it is one, else reported. */
export function bodyOf(text: string, type: string, where: string, lost: Lost[]): Record<string, unknown> {
  if (!text) return {};
  if (/x-www-form-urlencoded/i.test(type)) return { form: Object.fromEntries(new URLSearchParams(text)) };
  try {
    return { json: JSON.parse(text) as unknown };
  } catch {
    lost.push({ where, what: `a body that is neither JSON nor a form (${type || "no type"}, ${text.length} characters)` });
    return {};
  }
}

export const isBlank = (record: Record<string, unknown>) => Object.keys(record).length === 0;

/** The check of one request, without what is empty or usual. */
export function apiCall(url: string, method: string, headers: Record<string, string>, body: Record<string, unknown>): Record<string, unknown> {
  const json = "json" in body || "form" in body;
  const worth = Object.fromEntries(Object.entries(headers).filter(([name]) => !(json && /^content-type$/i.test(name))));
  return { type: "api_call", ...(method !== "GET" ? { method } : {}), url, ...(isBlank(worth) ? {} : { headers: worth }), ...body };
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** A method that a step can have; another one is reported and becomes GET. */
export function methodOf(text: string, where: string, lost: Lost[]): string {
  const method = text.toUpperCase();
  if (METHODS.has(method)) return method;
  lost.push({ where, what: `method ${method.slice(0, 20)}` });
  return "GET";
}

/** `GET /orders/4711`: what a request without a name is called. */
export function requestName(method: string, url: string): string {
  try {
    const { pathname, host } = new URL(url);
    return `${method} ${pathname === "/" ? host : pathname}`;
  } catch {
    return `${method} ${url.slice(0, 100)}`;
  }
}
