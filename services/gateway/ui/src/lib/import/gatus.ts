/** From a Gatus configuration: each suite is a process of its own, endpoints become steps. */
import { isRecord, readDraft } from "../draft";
import { apiCall, bodyOf, finished, type Imported, ImportProblem, isBlank, keptHeaders, type Lost, methodOf, requestName, safeUrl } from "./shape";

type Endpoint = { name?: unknown; group?: unknown; url?: unknown; method?: unknown; body?: unknown; headers?: unknown; conditions?: unknown; store?: unknown; enabled?: unknown; "always-run"?: unknown; client?: unknown; graphql?: unknown; [more: string]: unknown };
const READ = new Set(["name", "group", "url", "method", "body", "headers", "conditions", "store", "enabled", "always-run", "client", "graphql", "interval", "alerts", "ui"]);

export function fromGatus(text: string): Imported {
  const { value, faults } = readDraft(text);
  if (faults[0]) throw new ImportProblem(`This YAML cannot be read: line ${faults[0].line}: ${faults[0].message}`);
  const lost: Lost[] = [];
  const suites = Array.isArray(value.suites) ? value.suites.filter(isRecord) : [];
  const suite = suites[0];
  const endpoints = (suite ? suite.endpoints : value.endpoints) as unknown;
  if (!Array.isArray(endpoints) || endpoints.length === 0) throw new ImportProblem("There are no endpoints and no suites in this file.");
  for (const other of suites.slice(1)) lost.push({ where: `suite ${String(other.name)}`, what: "a second suite: import it on its own" });
  if (suite && Array.isArray(value.endpoints)) lost.push({ where: "endpoints", what: `${value.endpoints.length} endpoints beside the suite` });
  for (const part of ["alerting", "storage", "security", "maintenance"]) if (value[part] !== undefined) lost.push({ where: part, what: "settings of the installation; channels and rules are made under Notifications" });
  const steps = endpoints.filter(isRecord).map((endpoint, index) => stepOf(endpoint, `endpoint ${String(endpoint.name ?? index + 1)}`, lost));
  return fromSteps(finished(String(suite?.name ?? "Imported from Gatus"), steps, lost, aboutOf(suite ?? (endpoints[0] as Record<string, unknown>), suite, lost)));
}

/** What an earlier step stored is not a variable here, but a value of that step. */
function fromSteps(imported: Imported): Imported {
  const stored = new Map<string, string>();
  const steps = imported.steps.map((step) => {
    const named = replaced(step, (text) => text.replace(/\$\{\{ vars\.(\w+) \}\}/g, (whole, name: string) => (stored.has(name) ? `\${{ steps.${stored.get(name)}.${name} }}` : whole))) as typeof step;
    for (const name of Object.keys(step.capture ?? {})) stored.set(name, step.id);
    return named;
  });
  return { ...imported, steps };
}

/** Every text inside a value changed. */
function replaced(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => replaced(item, change));
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item, change)])) : value;
}

function aboutOf(source: Record<string, unknown>, suite: Record<string, unknown> | undefined, lost: Lost[]): Record<string, unknown> {
  const about: Record<string, unknown> = {};
  if (typeof source.group === "string") about.category = source.group;
  if (typeof source.interval === "string" && /^\d+(\.\d+)?(ms|s|m|h)$/.test(source.interval)) about.schedule = [{ every: source.interval }];
  if (typeof suite?.timeout === "string") about.timeout = suite.timeout;
  if (isRecord(suite?.context)) about.vars = Object.fromEntries(Object.entries(suite.context).map(([name, value]) => [name.replace(/[^a-z0-9_]/gi, "_").toLowerCase(), value]));
  if (suite?.["always-run"] !== undefined) lost.push({ where: "suite", what: "always-run of the suite" });
  return about;
}

function stepOf(endpoint: Endpoint, where: string, lost: Lost[]) {
  const address = expression(String(endpoint.url ?? ""));
  if (!/^(https?:\/\/|\$\{\{)/i.test(address)) lost.push({ where, what: `address ${address.slice(0, 80)}: only http and https are carried over` });
  for (const key of Object.keys(endpoint)) if (!READ.has(key)) lost.push({ where, what: key });
  if (Array.isArray(endpoint.alerts) && endpoint.alerts.length) lost.push({ where, what: "alerts: make channels and rules under Notifications" });
  const method = methodOf(String(endpoint.method ?? "GET"), where, lost);
  const url = safeUrl(address, where, lost);
  const pairs = Object.entries(isRecord(endpoint.headers) ? endpoint.headers : {}).map(([name, value]): [string, string] => [name, expression(String(value))]);
  const sent = endpoint.body === undefined ? {} : endpoint.graphql === true ? { graphql: { query: expression(String(endpoint.body)) } } : bodyOf(expression(String(endpoint.body)), "", where, lost);
  const conditions = (Array.isArray(endpoint.conditions) ? endpoint.conditions : []).map(String);
  const assert = conditions.flatMap((condition) => assertionOf(condition, where, lost));
  const capture = capturesOf(endpoint.store, where, lost);
  const check = apiCall(url, endpoint.graphql === true ? "GET" : method, keptHeaders(pairs, where, lost), sent);
  if (isRecord(endpoint.client)) {
    if (endpoint.client.insecure === true) check.verify_tls = false;
    for (const key of Object.keys(endpoint.client)) if (key !== "insecure" && key !== "timeout") lost.push({ where, what: `client.${key}` });
  }
  const timeout = isRecord(endpoint.client) && typeof endpoint.client.timeout === "string" ? endpoint.client.timeout : undefined;
  return {
    name: String(endpoint.name ?? requestName(method, url)),
    check,
    assert: assert.length ? assert : undefined,
    capture: isBlank(capture) ? undefined : capture,
    always_run: endpoint["always-run"] === true ? true : undefined,
    enabled: endpoint.enabled === false ? false : undefined,
    timeout,
  };
}

/** `[CONTEXT].user_id` stands for a stored value; here it is a variable. */
const expression = (text: string) => text.replace(/\[CONTEXT\]\.([A-Za-z0-9_.-]+)/g, (_, name: string) => `\${{ vars.${name.replace(/[^a-z0-9_]/gi, "_").toLowerCase()} }}`);

const OPERATOR: Record<string, string> = { "==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte" };

/** `[BODY].state == PAID` as `{jsonpath: $.state, eq: PAID}`. */
export function assertionOf(condition: string, where: string, lost: Lost[]): Record<string, unknown>[] {
  const gone = (): Record<string, unknown>[] => {
    lost.push({ where, what: `condition ${condition.slice(0, 120)}` });
    return [];
  };
  const match = /^\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$/.exec(condition);
  if (!match) return gone();
  const [, left, sign, right] = match as unknown as [string, string, string, string];
  const rule = ruleOf(OPERATOR[sign]!, expression(right));
  if (!rule) return gone();
  if (left === "[STATUS]") return [{ status: rule }];
  if (left === "[RESPONSE_TIME]") return typeof Object.values(rule)[0] === "number" ? [{ elapsed: { [OPERATOR[sign]!]: `${Object.values(rule)[0]}ms` } }] : gone();
  if (left === "[BODY]") return [{ body: rule }];
  const path = /^(len|has)?\(?\[BODY\]\.?([^()]*)\)?$/.exec(left);
  if (!path) return gone();
  const jsonpath = `$${path[2]!.startsWith("[") || !path[2] ? "" : "."}${path[2]}`;
  if (path[1] === "has") return [{ jsonpath, exists: (right === "true") === (sign === "==") }];
  return [path[1] === "len" ? { jsonpath: `${jsonpath}[*]`, count: rule } : { jsonpath, ...rule }];
}

function ruleOf(operator: string, right: string): Record<string, unknown> | null {
  const pattern = /^pat\((.*)\)$/.exec(right);
  if (pattern) return operator === "eq" ? { matches: `^${pattern[1]!.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$` } : null;
  const any = /^any\((.*)\)$/.exec(right);
  if (any) return operator === "eq" ? { in: any[1]!.split(",").map((item) => scalar(item.trim())) } : operator === "ne" ? { not_in: any[1]!.split(",").map((item) => scalar(item.trim())) } : null;
  return /^\[|^(len|has)\(/.test(right) ? null : { [operator]: scalar(right) };
}

function scalar(text: string): unknown {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text === "true" ? true : text === "false" ? false : text;
}

function capturesOf(store: unknown, where: string, lost: Lost[]): Record<string, Record<string, unknown>> {
  const captures: Record<string, Record<string, unknown>> = {};
  for (const [name, source] of Object.entries(isRecord(store) ? store : {})) {
    const path = /^\[BODY\]\.?(.*)$/.exec(String(source));
    const id = name.replace(/[^a-z0-9_]/gi, "_").toLowerCase();
    if (path) captures[id] = { jsonpath: `$${path[1]!.startsWith("[") || !path[1] ? "" : "."}${path[1]}` };
    else lost.push({ where, what: `store ${name}: ${String(source).slice(0, 80)}` });
  }
  return captures;
}
