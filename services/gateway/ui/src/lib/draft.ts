/** A definition being written: its YAML text is the one truth, forms change it in place, so that comments and order survive. */
import { Document, isCollection, isMap, isPair, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, Scalar, stringify, visit, type YAMLMap, type YAMLSeq } from "yaml";

export type Path = readonly (string | number)[];
export type Fault = { message: string; from: number; to: number; line: number };
export type Draft = { text: string; document: Document.Parsed; value: Record<string, unknown>; faults: Fault[] };

/** The longest text that is read while someone types; the server refuses larger definitions anyway. */
const LONGEST_TEXT = 1_000_000;
const MOST_ALIASES = 50;

/** Reads YAML; what is wrong with its syntax stands in `faults`, and `value` is what could be understood. */
export function readDraft(text: string): Draft {
  const lines = new LineCounter();
  const document = parseDocument(text.length > LONGEST_TEXT ? "" : text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const faults = document.errors.map((error) => ({ message: error.message, from: error.pos[0], to: error.pos[1], line: lines.linePos(error.pos[0]).line }));
  let value: unknown = {};
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch {
    faults.push({ message: "Too many aliases, or an alias to itself", from: 0, to: 0, line: 1 });
  }
  return { text, document, value: isRecord(value) ? value : {}, faults };
}

const KEPT_DRAFTS = 4;
const recent: Draft[] = [];

/** The same, for looking only: text that was read just now is not read again. Its document is shared and must not be changed. */
export function seeDraft(text: string): Draft {
  const known = recent.find((draft) => draft.text === text);
  if (known) return known;
  const draft = readDraft(text);
  recent.unshift(draft);
  recent.splice(KEPT_DRAFTS);
  return draft;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inside, key) => (typeof inside === "object" && inside !== null ? (inside as Record<string | number, unknown>)[key] : undefined), value);
}

/** The text with another value at a place; `undefined` removes it, and what became empty around it. */
export function setAt(text: string, path: Path, value: unknown): string {
  if (value === undefined) return removeAt(text, path);
  const spliced = splice(text, seeDraft(text).document, path, value);
  if (spliced !== null) return spliced;
  const { document } = readDraft(text);
  assign(document, path, value);
  return written(document, text);
}

export function removeAt(text: string, path: Path): string {
  const { document } = readDraft(text);
  let rest = [...path];
  document.deleteIn(rest);
  while (rest.length > 1) {
    rest = rest.slice(0, -1);
    const around = document.getIn(rest, true);
    if (!isCollection(around) || around.items.length > 0 || rest.length === 1 && rest[0] === "steps" || rest.at(-1) === "check" || staysEmpty(rest)) break;
    document.deleteIn(rest);
  }
  return written(document, text);
}

/** An item of a list, an input, a capture: someone made it, and may be about to fill it. */
const staysEmpty = (path: Path) => typeof path.at(-1) === "number" || path.at(-2) === "inputs" || path.at(-2) === "capture";

/** The text with another key in a mapping, in its old place. A key that is not there changes nothing. */
export function renameKey(text: string, mapping: Path, old: string, key: string): string {
  const around = seeDraft(text).document.getIn(mapping, true);
  const found = isMap(around) ? around.items.find((item) => isScalar(item.key) && item.key.value === old)?.key : undefined;
  if (!isScalar(found) || !found.range) return text;
  return text.slice(0, found.range[0]) + stringify(key).trimEnd() + text.slice(found.range[1]);
}

/** Puts a value into a list, making the list if it is not there. */
export function insertItem(text: string, path: Path, index: number, value: unknown): string {
  const { document } = readDraft(text);
  const list = listAt(document, path);
  const node = document.createNode(value) as Node;
  shape(node, path);
  list.items.splice(index, 0, node);
  if (index > 0 && isMap(node) && !node.flow && blankBetween(list)) node.spaceBefore = true;
  return written(document, text);
}

export function moveItem(text: string, path: Path, from: number, to: number): string {
  const { document } = readDraft(text);
  const list = document.getIn(path, true);
  if (!isSeq(list) || from === to || !list.items[from] || to < 0 || to >= list.items.length) return text;
  const spaced = blankBetween(list);
  const [item] = list.items.splice(from, 1);
  list.items.splice(to, 0, item!);
  // A blank line parts items; the one that comes first needs none.
  list.items.forEach((entry, index) => {
    if (spaced && (isCollection(entry) || isScalar(entry))) entry.spaceBefore = index > 0;
  });
  return written(document, text);
}

/** A copy right behind an item, with some of its values replaced; its comments are copied too. */
export function duplicateItem(text: string, path: Path, index: number, changes: Record<string, unknown>): string {
  const { document } = readDraft(text);
  const list = document.getIn(path, true);
  if (!isSeq(list) || !isCollection(list.items[index])) return text;
  const spaced = blankBetween(list);
  const copy = list.items[index].clone() as YAMLMap;
  for (const [key, value] of Object.entries(changes)) copy.set(key, value);
  if (spaced) copy.spaceBefore = true;
  list.items.splice(index + 1, 0, copy);
  return written(document, text);
}

/** An id that nothing in the list has yet: `page`, `page_2`, `page_3`. */
export function freeId(wanted: string, taken: readonly string[], joint = "_"): string {
  if (!taken.includes(wanted)) return wanted;
  const stem = wanted.replace(new RegExp(`${joint}\\d+$`), "");
  for (let number = 2; ; number += 1) if (!taken.includes(`${stem}${joint}${number}`)) return `${stem}${joint}${number}`;
}

/** Words as an id: `Order is visible` gives `order_is_visible`. */
export function idOf(words: string, joint = "_"): string {
  const plain = words.normalize("NFKD").replace(/[^\x20-\x7e]/g, "").toLowerCase();
  const id = plain.replace(/[^a-z0-9]+/g, joint).replace(new RegExp(`^[${joint}0-9]+|${joint}+$`, "g"), "");
  return id.slice(0, 60).replace(new RegExp(`${joint}+$`), "") || "step";
}

/** `steps[2].check.url` as a path. */
export function parsePath(text: string): (string | number)[] {
  const found = text.replace(/^body\.?/, "").matchAll(/([^.[\]]+)|\[(\d+)\]/g);
  return [...found].map((match) => (match[2] === undefined ? match[1]! : Number(match[2])));
}

/** Where a path stands in the text: the key and value of the deepest part of it that is there. */
export function rangeOf(document: Document.Parsed, path: Path): { from: number; to: number } {
  let node: unknown = document.contents;
  let range = { from: 0, to: 0 };
  for (const key of path) {
    if (isMap(node)) {
      const pair = (node.items as Pair[]).find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(key));
      if (!pair) break;
      range = rangeOfPair(pair, range);
      node = pair.value;
    } else if (isSeq(node) && typeof key === "number" && node.items[key]) {
      node = node.items[key];
      const at = (node as Node).range;
      if (at) range = { from: at[0], to: isCollection(node) ? at[0] + 1 : at[1] };
    } else break;
  }
  return range;
}

function rangeOfPair(pair: Pair, otherwise: { from: number; to: number }): { from: number; to: number } {
  const key = isScalar(pair.key) ? pair.key.range : null;
  const value = isScalar(pair.value) ? pair.value.range : null;
  return key ? { from: key[0], to: value ? value[1] : key[1] } : otherwise;
}

/** The path at an offset: to the step that a cursor stands in, for example. */
export function pathAt(document: Document.Parsed, offset: number): (string | number)[] {
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    if (isMap(node)) {
      const pair: Pair | undefined = (node.items as Pair[]).find((item) => covers(item, offset));
      if (!pair || !isScalar(pair.key)) return path;
      path.push(String(pair.key.value));
      node = pair.value;
    } else if (isSeq(node)) {
      const index = (node.items as Node[]).findIndex((item) => item.range && item.range[0] <= offset && offset <= item.range[2]);
      if (index < 0) return path;
      path.push(index);
      node = node.items[index];
    } else return path;
  }
}

function covers(pair: Pair, offset: number): boolean {
  const key = isScalar(pair.key) ? pair.key.range : null;
  const value = (pair.value as Node | null)?.range;
  return key !== null && key !== undefined && key[0] <= offset && offset <= Math.max(key[2], value?.[2] ?? 0);
}

/** A definition made by program, in the short forms that people write. */
export function writeNew(value: Record<string, unknown>): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  shape(document.contents as Node, []);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

// --- writing ---------------------------------------------------------------------------------------------------------

function written(document: Document.Parsed, before: string): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: false, indentSeq: !/^\w+:[^\n]*\n- /m.test(before) });
}

/** One value for another, touching nothing else in the text. Null when that cannot be done. */
function splice(text: string, document: Document.Parsed, path: Path, value: unknown): string | null {
  const node = document.getIn(path, true);
  if (!isScalar(node) || !node.range || typeof value === "object" || (node.type ?? "").startsWith("BLOCK") || String(value).includes("\n")) return null;
  const made = new Scalar(value);
  if (typeof value === "string" && node.type?.startsWith("QUOTE")) made.type = node.type;
  const inFlow = path.some((_, length) => (document.getIn(path.slice(0, length), true) as { flow?: boolean } | undefined)?.flow);
  const words = inFlow ? flowText(made) : stringify(made, { lineWidth: 0 }).trimEnd();
  if (words.includes("\n") || node.range[0] === node.range[1]) return null;
  const changed = text.slice(0, node.range[0]) + words + text.slice(node.range[1]);
  const check = seeDraft(changed);
  return check.faults.length === 0 && valueAt(check.value, path) === value ? changed : null;
}

function flowText(scalar: Scalar): string {
  const list = stringify([scalar], { lineWidth: 0, collectionStyle: "flow", flowCollectionPadding: false }).trimEnd();
  return list.slice(1, -1).trim();
}

/** Writes a value into the tree, keeping every node that stays and its comments. */
function assign(document: Document.Parsed, path: Path, value: unknown): void {
  const old = document.getIn(path, true);
  if (isMap(old) && isRecord(value)) {
    for (const item of [...old.items] as Pair[]) {
      const key = isScalar(item.key) ? String(item.key.value) : "";
      if (value[key] === undefined) old.delete(key);
    }
    for (const [key, inside] of Object.entries(value)) if (inside !== undefined) assign(document, [...path, key], inside);
  } else if (isSeq(old) && Array.isArray(value)) {
    old.items.splice(value.length);
    value.forEach((item, index) => assign(document, [...path, index], item));
  } else if (isScalar(old) && (typeof value !== "object" || value === null)) {
    old.value = value;
    delete old.format;
  } else {
    const node = document.createNode(value) as Node;
    shape(node, path.slice(0, -1));
    if (old && typeof old === "object" && "comment" in old) node.comment = (old as Node).comment;
    document.setIn(path, node);
  }
}

const SHORT_PLACES = new Set(["assert", "capture", "inputs", "schedule", "notify", "tags"]);

/** Short things stand on one line, as people write them. */
function shape(node: Node, around: Path): void {
  if (!isCollection(node)) return;
  const small = JSON.stringify(node.toJSON()).length < 100;
  if (small && (SHORT_PLACES.has(String(around.at(-1))) || (isSeq(node) && node.items.every(isScalar)))) node.flow = true;
  else visit(node, { Pair: (_, pair) => isPair(pair) && isScalar(pair.key) && SHORT_PLACES.has(String(pair.key.value)) && isCollection(pair.value) ? void flowInside(pair.value) : undefined });
}

function flowInside(collection: YAMLMap | YAMLSeq): void {
  for (const item of collection.items) {
    const node = isPair(item) ? item.value : item;
    if (isCollection(node) && JSON.stringify(node.toJSON()).length < 100) node.flow = true;
  }
  if (isSeq(collection) && collection.items.every(isScalar)) collection.flow = true;
}

function listAt(document: Document.Parsed, path: Path): YAMLSeq {
  if (!isSeq(document.getIn(path, true))) document.setIn(path, document.createNode([]));
  const list = document.getIn(path, true) as YAMLSeq;
  if (list.items.length === 0) list.flow = false;
  return list;
}

/** Whether a blank line parts the items of a list. */
function blankBetween(list: YAMLSeq): boolean {
  return list.items.slice(1).some((item) => (item as Node).spaceBefore === true);
}
