/** One assertion between its written form and the fields of a form. */
import { isRecord } from "./draft";
import { plain, type Schema } from "./schema";

export type AssertionFields = { subject: string; argument: string; part: string; attribute: string; row: string; operator: string; expected: unknown };
export type Subject = { name: string; argued: boolean; parts: string[]; rows: string[] };

export const OPERATORS: readonly (readonly [string, string])[] = [
  ["eq", "= equals"],
  ["ne", "≠ differs from"],
  ["gt", "> greater than"],
  ["gte", "≥ at least"],
  ["lt", "< less than"],
  ["lte", "≤ at most"],
  ["in", "is one of"],
  ["not_in", "is none of"],
  ["contains", "contains"],
  ["matches", "matches (regex)"],
  ["exists", "exists"],
  ["type", "is of type"],
  ["between", "between"],
  ["newer_than", "newer than"],
  ["older_than", "older than"],
];
const KNOWN = new Set(OPERATORS.map(([name]) => name));
const LISTS = new Set(["in", "not_in", "between"]);

/** What can be looked at, as the schema of assertions lists it. */
export function subjectsOf(root: Schema): Subject[] {
  return (root.$defs?.Assertion?.anyOf ?? []).map((choice) => {
    const { properties = {}, required = [] } = plain(root, choice);
    const name = required[0] ?? "";
    const parts = ["text", "count", "attribute"].filter((part) => part in properties && part !== name);
    return { name, argued: plain(root, properties[name] ?? {}).type === "string", parts, rows: (properties.row?.enum ?? []).map(String) };
  });
}

/** The fields of a written assertion; null if it says more than the fields can show. */
export function readAssertion(subjects: readonly Subject[], value: unknown): AssertionFields | null {
  if (!isRecord(value)) return null;
  // `text` and `count` are subjects of their own, and parts of others.
  const subject = subjects.find(({ name, argued }) => argued && typeof value[name] === "string") ?? subjects.find(({ name, argued }) => !argued && name in value);
  if (!subject) return null;
  const empty = { subject: subject.name, argument: "", part: "", attribute: "", row: "", operator: "eq", expected: "" as unknown };
  if (!subject.argued) return Object.keys(value).length === 1 ? withRule(empty, value[subject.name]) : null;
  const { [subject.name]: argument, row, attribute, text, count, ...rules } = value;
  if (typeof argument !== "string" || (row !== undefined && typeof row !== "string") || (attribute !== undefined && typeof attribute !== "string")) return null;
  const fields = { ...empty, argument, row: row ?? "", attribute: attribute ?? "", part: attribute ? "attribute" : "" };
  const parts = [text !== undefined, count !== undefined, Object.keys(rules).length > 0].filter(Boolean).length;
  if (parts !== 1 || (attribute && (text !== undefined || count !== undefined))) return null;
  if (text !== undefined) return withRule({ ...fields, part: "text" }, text);
  if (count !== undefined) return withRule({ ...fields, part: "count" }, count);
  return withRule(fields, rules);
}

function withRule(fields: AssertionFields, rule: unknown): AssertionFields | null {
  if (!isRecord(rule)) return Array.isArray(rule) ? null : { ...fields, operator: "eq", expected: rule };
  const [operator, ...more] = Object.keys(rule);
  if (!operator || more.length > 0 || !KNOWN.has(operator)) return null;
  return { ...fields, operator, expected: rule[operator] };
}

/** The written form: `{status: {eq: 200}}`, `{jsonpath: $.state, in: [PAID]}`, `{selector: .no, text: {eq: "4711"}}`. */
export function writeAssertion(subjects: readonly Subject[], fields: AssertionFields): Record<string, unknown> {
  const subject = subjects.find(({ name }) => name === fields.subject);
  const rule = { [fields.operator]: fields.expected };
  if (!subject?.argued) return { [fields.subject]: rule };
  const about = { [fields.subject]: fields.argument, ...(fields.row && subject.rows.includes(fields.row) ? { row: fields.row } : {}) };
  if (fields.part === "attribute" && subject.parts.includes("attribute")) return { ...about, attribute: fields.attribute, ...rule };
  if (fields.part && subject.parts.includes(fields.part)) return { ...about, [fields.part]: rule };
  return { ...about, ...rule };
}

/** What someone types as the expected value: numbers and words of JSON keep their type, quotes force text, lists part at commas. */
export function expectedOf(text: string, operator: string): unknown {
  if (operator === "exists") return text !== "false";
  if (LISTS.has(operator) && !text.includes("${{")) return text.split(",").map((part) => scalarOf(part.trim())).filter((part) => part !== "");
  return scalarOf(text);
}

function scalarOf(text: string): unknown {
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return Number(text);
  if (/^(true|false|null)$/.test(text)) return JSON.parse(text) as unknown;
  return /^"(.*)"$/s.exec(text)?.[1] ?? text;
}

/** The same the other way: what a field shows, so that reading it again gives the same value. */
export function expectedText(value: unknown): string {
  if (Array.isArray(value)) return value.map(expectedText).join(", ");
  if (typeof value === "string") return scalarOf(value) === value ? value : `"${value}"`;
  return value === undefined ? "" : JSON.stringify(value);
}
