/** What could be written at a place of a definition: keys and values that the schema knows. */
import { isRecord, type Path, readDraft, valueAt } from "./draft";
import { branch, labelOf, plain, type Schema, schemaAt } from "./schema";

export type Suggestion = { label: string; apply: string; detail?: string; info?: string };
export type Suggestions = { from: number; items: Suggestion[] };

type Place = { path: (string | number)[]; key: string | null; word: string };

/** Suggestions at an offset; null where there is nothing to say. `names` are values that the schema cannot know, by key. */
export function suggest(root: Schema, text: string, offset: number, names: Record<string, readonly string[]> = {}): Suggestions | null {
  const place = placeAt(text, offset);
  if (!place) return null;
  const { value } = readDraft(withoutLine(text, offset));
  const from = offset - place.word.length;
  if (place.key !== null) {
    const schema = schemaAt(root, [...place.path, place.key], valueAtOrEmpty(value, place));
    const items = valuesOf(root, schema, names[place.key]);
    return items.length ? { from, items } : null;
  }
  const schema = schemaAt(root, place.path, value);
  const present = valueAt(value, place.path);
  const items = schema ? keysOf(root, schema, isRecord(present) ? Object.keys(present) : []) : [];
  return items.length ? { from, items } : null;
}

/** The value with the key that is being written, so that a union can still be told by its other keys. */
function valueAtOrEmpty(value: Record<string, unknown>, { path }: Place): unknown {
  return valueAt(value, path) === undefined ? {} : value;
}

function keysOf(root: Schema, schema: Schema, present: readonly string[]): Suggestion[] {
  return Object.entries(schema.properties ?? {})
    .filter(([name]) => !present.includes(name))
    .map(([name, property]) => {
      const found = plain(root, property);
      const opens = found.properties || found.oneOf || (found.type === "array" && (branch(root, found.items ?? {}, {}).properties ?? null));
      return { label: name, apply: opens ? `${name}:` : `${name}: `, detail: schema.required?.includes(name) ? "required" : undefined, info: found.description ?? labelOf(name) };
    });
}

function valuesOf(root: Schema, schema: Schema | undefined, names: readonly string[] = []): Suggestion[] {
  const found = schema && branch(root, schema, undefined);
  const choices = found?.enum ?? (found?.const !== undefined ? [found.const] : found?.type === "boolean" ? [true, false] : (found?.examples ?? []));
  return [...new Set([...names, ...choices.map(String)])].map((label) => ({ label, apply: label, info: found?.description }));
}

/** Where an offset stands: in which mapping, and whether behind a key. Null inside comments and quoted text. */
export function placeAt(text: string, offset: number): Place | null {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const before = text.slice(start, offset);
  if (/(^|\s)#/.test(before) || /\$\{\{[^}]*$/.test(before)) return null;
  const around = blockPath(text.slice(0, start), indentOf(before));
  const flow = flowPart(before);
  if (flow) return { path: [...around, ...lineKeys(flow.head, around), ...flow.path], key: flow.key, word: flow.word };
  const match = /^(\s*(?:-\s+)*)(?:([A-Za-z_$][\w-]*):\s+)?([\w./-]*)$/.exec(before);
  if (!match) return null;
  const path = [...around, ...dashes(match[1]!, text.slice(0, start), around)];
  return { path, key: match[2] ?? null, word: match[3]! };
}

const indentOf = (line: string) => /^\s*/.exec(line)![0].length;
/** Where the keys of a line begin, behind its dashes. */
const columnOf = (line: string) => /^\s*(?:-\s+)*/.exec(line)![0].length;

/** The path of the mapping that a line of this indent belongs to, read from the lines above it. */
function blockPath(above: string, indent: number): (string | number)[] {
  const path: (string | number)[] = [];
  const lines = above.split("\n");
  let limit = indent;
  let count = 0;
  for (let index = lines.length - 1; index >= 0 && limit >= 0; index -= 1) {
    const line = lines[index]!;
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const own = indentOf(line);
    const column = columnOf(line);
    if (column > own) {
      // An item of a list: ours, if its keys stand where ours do, or if we stand deeper than its dash.
      if (own === limit && path[0] === "-") count += 1;
      if (column <= limit || own < limit) {
        const key = /^\s*(?:-\s+)+([A-Za-z_$][\w-]*):\s*(?:#.*)?$/.exec(line)?.[1];
        if (column < limit && key) path.unshift(key);
        path.unshift("-");
        limit = own;
        count = 1;
      }
    } else {
      const key = /^\s*([A-Za-z_$][\w-]*):\s*(?:#.*)?$/.exec(line)?.[1];
      const heads = key !== undefined && (own < limit || (own === limit && path[0] === "-"));
      if (heads || own < limit) {
        if (path[0] === "-") path[0] = count - 1;
        if (key) path.unshift(key);
        limit = own;
        count = 0;
        if (own === 0) break;
      }
    }
  }
  if (path[0] === "-") path[0] = count - 1;
  return path.map((part) => (part === "-" ? 0 : part));
}

/** The index of a new item, when the line itself begins with a dash. */
function dashes(lead: string, above: string, around: Path): number[] {
  const count = (lead.match(/-/g) ?? []).length;
  if (count === 0) return [];
  const list = valueAt(readDraft(above).value, around);
  return [Array.isArray(list) ? list.length : 0, ...Array<number>(count - 1).fill(0)];
}

/** The keys of a line before its first bracket: `  check: {` gives `check`, `  - {` the index of the item. */
function lineKeys(head: string, around: Path): (string | number)[] {
  const keys = [...head.matchAll(/([A-Za-z_$][\w-]*):\s/g)].map((match) => match[1]!);
  const dashed = /^\s*-/.test(head) && typeof around.at(-1) !== "number";
  return dashed ? [0, ...keys] : keys;
}

type Flow = { head: string; path: (string | number)[]; key: string | null; word: string };

/** The innermost open bracket of a line, if there is one. */
function flowPart(before: string): Flow | null {
  const open: { at: number; kind: string }[] = [];
  let quote = "";
  for (let index = 0; index < before.length; index += 1) {
    const sign = before[index]!;
    if (quote) quote = sign === quote ? "" : quote;
    else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === "{" || sign === "[") open.push({ at: index, kind: sign });
    else if ((sign === "}" || sign === "]") && open.length) open.pop();
  }
  if (open.length === 0 || quote) return null;
  const path: (string | number)[] = [];
  open.forEach(({ at, kind }, depth) => {
    const inside = before.slice(at + 1, open[depth + 1]?.at ?? before.length);
    const part = inside.slice(inside.lastIndexOf(",") + 1);
    if (kind === "[") path.push(inside.split(",").length - 1);
    else if (depth < open.length - 1) path.push(/([A-Za-z_$][\w-]*):\s*$/.exec(part)?.[1] ?? "");
  });
  const last = open.at(-1)!;
  const tail = before.slice(last.at + 1);
  const part = tail.slice(tail.lastIndexOf(",") + 1);
  const match = /^\s*(?:([A-Za-z_$][\w-]*):\s+)?([\w./-]*)$/.exec(part);
  return match && last.kind === "{" ? { head: before.slice(0, open[0]!.at), path, key: match[1] ?? null, word: match[2]! } : null;
}

/** The text without what is half written: the line of the cursor cannot be read yet, but everything else can. */
function withoutLine(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const line = text.slice(start, offset);
  if (readDraft(text).faults.length === 0) return text;
  const end = text.indexOf("\n", offset);
  const dash = /^\s*-\s/.test(line) ? `${/^\s*-\s/.exec(line)![0]}{}` : "";
  return text.slice(0, start) + dash + (end < 0 ? "" : text.slice(end));
}
