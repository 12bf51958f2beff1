import { formatSize, formatWritten } from "./format";

/** JSON values as one line of text, exact enough to compare: text stays text, never HTML. */
export function showValue(value: unknown): string {
  if (value === undefined) return "";
  if (value === null) return "null";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return JSON.stringify(value);
}

/** Ages and durations travel as seconds and sizes as bytes; people read them with a unit. Anything else stays. */
export function inUnit(what: string, value: unknown): unknown {
  if (typeof value !== "number") return value;
  if (/^(age|elapsed)$/i.test(what)) return value > 0 && value < 1 ? `${Number((value * 1000).toPrecision(3))}\u00a0ms` : formatWritten(value);
  return /^size( as rendered)?$/i.test(what) ? formatSize(value) : value;
}

const SYMBOL: Record<string, string> = {
  eq: "=",
  ne: "≠",
  gt: ">",
  gte: "≥",
  lt: "<",
  lte: "≤",
  in: "one of",
  not_in: "none of",
  contains: "contains",
  matches: "matches",
  exists: "exists",
  type: "is a",
  count: "count",
  between: "between",
  newer_than: "newer than",
  older_than: "older than",
};

/** `= 1`, `> 0`, `one of PAID, SHIPPED`, `exists`, `does not exist`. */
export function showExpectation(operator: string, expected: unknown): string {
  if (operator === "exists") return expected === false ? "does not exist" : "exists";
  const symbol = SYMBOL[operator] ?? operator.replaceAll("_", " ");
  if (operator === "between" && Array.isArray(expected)) return `between ${showValue(expected[0])} and ${showValue(expected[1])}`;
  if (Array.isArray(expected) && expected.every((item) => typeof item !== "object")) {
    return `${symbol} ${expected.map(showValue).join(", ")}`;
  }
  return `${symbol} ${showValue(expected)}`;
}

/** The path of a change as words: `findings.Size` is `Size`, `assertions[1].actual` is what that assertion looks at. */
export function changeWords(path: string, assertions: readonly { label: string }[]): string {
  const at = /^assertions\[(\d+)\]\.(\w+)$/.exec(path);
  if (at) return `${assertions[Number(at[1])]?.label ?? `assertion ${Number(at[1]) + 1}`} (${at[2]})`;
  if (path.startsWith("findings.")) return path.slice("findings.".length);
  return path.startsWith("captures.") ? `captured ${path.slice("captures.".length)}` : path.replaceAll("_", " ");
}

/** A value of a comparison with its unit; what is not there is a dash. */
export function showChanged(what: string, value: unknown): string {
  return value === null || value === undefined ? "–" : showValue(inUnit(what.replace(/ \(actual\)$/, ""), value));
}

/** What an assertion says beyond the value and the rule that stand beside it; null if that is all. */
export function addedWords(label: string, message: string | null | undefined): string | null {
  const words = (message ?? "").replace(new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}: `), "").replace(/, expected [\s\S]*$/, "");
  return words || null;
}

export type Table = { columns: string[]; rows: unknown[][]; note?: string };

/** Rows of evidence, whichever of the usual shapes they come in; null if the value is no table. */
export function asTable(value: unknown): Table | null {
  if (Array.isArray(value)) return fromObjects(value);
  if (typeof value !== "object" || value === null) return null;
  const record = value as Record<string, unknown>;
  if (Array.isArray(record.columns) && Array.isArray(record.rows)) {
    const columns = record.columns.map((column) => columnName(column));
    const rows = record.rows.map((row) => cellsOf(row, columns));
    return { columns, rows };
  }
  for (const name of ["rows", "files", "entries", "items", "listing"]) {
    const list = record[name];
    if (Array.isArray(list)) return fromObjects(list);
  }
  return null;
}

function columnName(column: unknown): string {
  if (typeof column === "object" && column !== null && "name" in column) return showValue(column.name);
  return showValue(column);
}

function cellsOf(row: unknown, columns: string[]): unknown[] {
  if (Array.isArray(row)) return row;
  if (typeof row === "object" && row !== null) return columns.map((column) => (row as Record<string, unknown>)[column]);
  return [row];
}

function fromObjects(list: unknown[]): Table | null {
  if (list.length === 0) return { columns: [], rows: [] };
  if (!list.every((item) => typeof item === "object" && item !== null && !Array.isArray(item))) return null;
  const columns = [...new Set(list.flatMap((item) => Object.keys(item as object)))];
  return { columns, rows: list.map((item) => cellsOf(item, columns)) };
}
