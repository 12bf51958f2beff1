/** From a Hurl file: each entry becomes a step, captures and asserts come along. */
import { freeId, idOf } from "../draft";
import { apiCall, bodyOf, finished, type Imported, ImportProblem, keptHeaders, type Lost, methodOf, requestName, safeUrl } from "./shape";

const REQUEST = /^(?!HTTP\b)([A-Z]{3,12})\s+(\S+)\s*$/;
const RESPONSE = /^HTTP(?:\/\S+)?\s+(\d{3}|\*)\s*$/;
const SECTION = /^\[(\w+)\]\s*$/;

type Entry = { line: number; name: string; method: string; url: string; headers: [string, string][]; sections: Record<string, string[]>; body: string[]; status: string | null; answerHeaders: [string, string][]; answerBody: string[] };

export function fromHurl(text: string): Imported {
  const lost: Lost[] = [];
  const entries = entriesOf(text);
  if (entries.length === 0) throw new ImportProblem("There is no request in this file. A Hurl entry begins with a method and an address, such as GET https://example.com");
  const owners = new Map<string, string>();
  const taken: string[] = [];
  const steps = entries.map((entry) => {
    const name = entry.name || requestName(entry.method, entry.url);
    const id = freeId(idOf(name), taken);
    taken.push(id);
    const step = stepOf(entry, name, owners, lost);
    for (const capture of Object.keys(step.capture ?? {})) owners.set(capture, id);
    return { id, ...step };
  });
  const vars = [...text.matchAll(/\{\{\s*([\w-]+)\s*\}\}/g)].map((match) => match[1]!).filter((name) => !owners.has(variable(name)));
  const about = vars.length ? { inputs: Object.fromEntries([...new Set(vars)].map((name) => [variable(name), { type: "string" }])) } : undefined;
  return finished("Imported from Hurl", steps, lost, about);
}

function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  let comment = "";
  let section = "";
  let fenced = false;
  let blank = false;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    const entry = entries.at(-1);
    if (line.startsWith("```")) fenced = !fenced;
    if (fenced && entry) return void (entry.status === null ? entry.body : entry.answerBody).push(line.startsWith("```") ? "" : raw);
    if (line.startsWith("#")) return void (comment = line.replace(/^#+\s*/, ""));
    if (line === "") return void (blank = true);
    const request = REQUEST.exec(line);
    if (request && !(entry?.body.length && !blank && entry.status === null)) {
      entries.push({ line: index + 1, name: comment, method: request[1]!, url: request[2]!, headers: [], sections: {}, body: [], status: null, answerHeaders: [], answerBody: [] });
      [comment, section, blank] = ["", "", false];
      return;
    }
    blank = false;
    if (!entry) return;
    place(entry, line, raw, section, (next) => (section = next));
  });
  return entries;
}

function place(entry: Entry, line: string, raw: string, section: string, enter: (section: string) => void): void {
  const status = RESPONSE.exec(line);
  const opened = SECTION.exec(line);
  if (status) {
    entry.status = status[1]!;
    enter("");
  } else if (opened) enter(opened[1]!);
  else if (section) (entry.sections[section] ??= []).push(line);
  else {
    const header = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    const body = entry.status === null ? entry.body : entry.answerBody;
    if (header && body.length === 0) (entry.status === null ? entry.headers : entry.answerHeaders).push([header[1]!, header[2]!]);
    else body.push(raw);
  }
}

const pairsOf = (lines: readonly string[] | undefined): [string, string][] => (lines ?? []).map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
const variable = (name: string) => name.replace(/[^a-z0-9_]/gi, "_").toLowerCase();

function stepOf(entry: Entry, name: string, owners: Map<string, string>, lost: Lost[]) {
  const where = `line ${entry.line}`;
  const fill = (text: string) => text.replace(/\{\{\s*([\w-]+)\s*\}\}/g, (_, found: string) => (owners.has(variable(found)) ? `\${{ steps.${owners.get(variable(found))}.${variable(found)} }}` : `\${{ inputs.${variable(found)} }}`));
  const known = new Set(["QueryStringParams", "Query", "FormParams", "Form", "Captures", "Asserts", "Options"]);
  for (const section of Object.keys(entry.sections)) if (!known.has(section)) lost.push({ where, what: `section [${section}]` });
  for (const option of entry.sections.Options ?? []) if (!/^(location|insecure|retry|verbose)/.test(option)) lost.push({ where, what: `option ${option.slice(0, 80)}` });
  const method = methodOf(entry.method, where, lost);
  const url = safeUrl(fill(entry.url), where, lost);
  const query = Object.fromEntries(pairsOf(entry.sections.QueryStringParams ?? entry.sections.Query).map(([key, value]) => [key, fill(value)]));
  const form = pairsOf(entry.sections.FormParams ?? entry.sections.Form).map(([key, value]) => [key, fill(value)]);
  const type = entry.headers.find(([key]) => /^content-type$/i.test(key))?.[1] ?? "";
  const sent = form.length ? { form: Object.fromEntries(form) as Record<string, string> } : bodyOf(fill(entry.body.join("\n").trim()), type, where, lost);
  const headers = keptHeaders(entry.headers.map(([key, value]): [string, string] => [key, fill(value)]), where, lost);
  const check = { ...apiCall(url, method, headers, sent), ...(Object.keys(query).length ? { query } : {}) };
  if (entry.sections.Options?.some((option) => /^insecure:\s*true/.test(option))) Object.assign(check, { verify_tls: false });
  if (entry.answerBody.length) lost.push({ where, what: "the body that was expected as a whole" });
  const assert = [
    ...(entry.status && entry.status !== "*" ? [{ status: { eq: Number(entry.status) } }] : []),
    ...entry.answerHeaders.map(([key, value]) => ({ header: key, eq: fill(value) })),
    ...(entry.sections.Asserts ?? []).flatMap((line) => ruleOf(line, fill, where, lost)),
  ];
  const capture = Object.fromEntries((entry.sections.Captures ?? []).flatMap((line) => captureOf(line, where, lost)));
  return { name, check, assert: assert.length ? assert : undefined, capture: Object.keys(capture).length ? capture : undefined };
}

const QUERY = /^(status|body|url|duration|(?:jsonpath|xpath|header|regex|cookie)\s+(?:"(?:[^"\\]|\\.)*"|\/(?:[^/\\]|\\.)*\/))\s*(.*)$/;

/** What a query looks at, in our words; null for what has no counterpart. */
function subjectOf(query: string): { subject: string; argument: string | null } | null {
  const match = /^(\w+)(?:\s+["/](.*)["/])?$/s.exec(query);
  const name = match?.[1] ?? "";
  const argument = match?.[2]?.replaceAll('\\"', '"') ?? null;
  if (name === "duration") return { subject: "elapsed", argument: null };
  return ["status", "body", "url"].includes(name) || (["jsonpath", "xpath", "header", "regex"].includes(name) && argument) ? { subject: name, argument } : null;
}

function captureOf(line: string, where: string, lost: Lost[]): [string, Record<string, unknown>][] {
  const [name, source] = [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()];
  const match = QUERY.exec(source);
  const found = match && !match[2] ? subjectOf(match[1]!) : null;
  if (found?.argument && found.subject !== "regex" || found?.subject === "regex") return [[variable(name), { [found.subject]: found.argument }]];
  lost.push({ where, what: `capture ${line.slice(0, 120)}` });
  return [];
}

const PREDICATE: Record<string, string> = { "==": "eq", equals: "eq", "!=": "ne", notEquals: "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", contains: "contains", matches: "matches", startsWith: "matches", endsWith: "matches" };

function ruleOf(line: string, fill: (text: string) => string, where: string, lost: Lost[]): Record<string, unknown>[] {
  const match = QUERY.exec(line);
  const found = match && subjectOf(match[1]!);
  const gone = (): Record<string, unknown>[] => {
    lost.push({ where, what: `assert ${line.slice(0, 120)}` });
    return [];
  };
  if (!match || !found) return gone();
  let rest = match[2]!.trim();
  const counted = /^count\s+/.test(rest) && found.subject === "jsonpath";
  if (counted) rest = rest.replace(/^count\s+/, "");
  const rule = predicateOf(rest, fill);
  if (!rule) return gone();
  const about = found.argument === null ? null : { [found.subject]: found.argument };
  if (counted) return [{ ...about, count: rule }];
  if (found.subject === "elapsed") {
    const [operator, value] = Object.entries(rule)[0]!;
    return typeof value === "number" ? [{ elapsed: { [operator]: `${value}ms` } }] : gone();
  }
  return [about ? { ...about, ...rule } : { [found.subject]: rule }];
}

function predicateOf(text: string, fill: (text: string) => string): Record<string, unknown> | null {
  const not = /^not\s+/.test(text);
  const rest = text.replace(/^not\s+/, "");
  if (rest === "exists") return { exists: !not };
  const kind = /^is(String|Integer|Float|Boolean|Number|Collection)$/.exec(rest)?.[1];
  if (kind && !not && kind !== "Collection") return { type: { String: "string", Integer: "integer", Float: "number", Number: "number", Boolean: "boolean" }[kind] };
  const match = /^(==|!=|>=|<=|>|<|\w+)\s+(.+)$/s.exec(rest);
  const operator = match && PREDICATE[match[1]!];
  if (!operator || (not && operator !== "eq")) return null;
  const value = literal(match[2]!, fill);
  if (value === undefined) return null;
  if (match[1] === "startsWith") return { matches: `^${escaped(String(value))}` };
  if (match[1] === "endsWith") return { matches: `${escaped(String(value))}$` };
  return { [not ? "ne" : operator]: value };
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function literal(text: string, fill: (text: string) => string): unknown {
  const quoted = /^"(.*)"$/s.exec(text)?.[1];
  if (quoted !== undefined) return fill(quoted.replaceAll('\\"', '"'));
  const pattern = /^\/(.*)\/$/s.exec(text)?.[1];
  if (pattern !== undefined) return pattern;
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (/^(true|false|null)$/.test(text)) return JSON.parse(text) as unknown;
  return /^\{\{.*\}\}$/.test(text) ? fill(text) : undefined;
}
