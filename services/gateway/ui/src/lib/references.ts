/** What expressions take by name: `${{ steps.order_api.placed_at }}`, `${{ inputs.order_id }}`. They are found and read as the server does it. */
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import { type Path, seeDraft, setAt, valueAt } from "./draft";

/** The parts of a step in which expressions are evaluated; everywhere else they are plain text. */
const EVALUATED = new Set(["check", "assert", "capture", "since", "if"]);
const OPEN = "${{";
const CLOSE = "}}";
/** Of CEL: a text in quotes, a word, anything else. */
const TOKEN = /[rRbB]{0,2}(?:'''(?:\\.|.)*?'''|"""(?:\\.|.)*?"""|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|[A-Za-z_]\w*|\d[\w.]*|\S/gs;

type Place = { path: Path; value: string; from: number; to: number };

/** What expressions call a thing, word by word: `steps order_api` a step, `steps order_api placed_at` a capture, `inputs order_id`, `vars shop`. */
export type Name = readonly string[];

/** How often expressions take something from this step, input, variable or capture, or ask about it. */
export const referencesTo = (text: string, name: Name): number => places(text).reduce((sum, { value }) => sum + namesIn(value, name).length, 0);

/** The text with another last word wherever an expression names the thing. Comments, plain text and texts within expressions stay. */
export function renameReferences(text: string, old: Name, to: string): string {
  const wanted = places(text).flatMap((place) => (namesIn(place.value, old).length > 0 ? [{ ...place, value: renamed(place.value, old, to) }] : []));
  // From the end to the beginning, so that what comes before keeps its place.
  const spliced = wanted.reduceRight((all, place) => all.slice(0, place.from) + renamed(all.slice(place.from, place.to), old, to) + all.slice(place.to), text);
  // Where YAML writes a text otherwise than it reads, as with \" between quotes, the value is written anew.
  const { value: read } = seeDraft(spliced);
  return wanted.reduce((all, { path, value }) => (valueAt(read, path) === value ? all : setAt(all, path, value)), spliced);
}

function renamed(value: string, old: Name, to: string): string {
  const length = old.at(-1)!.length;
  return namesIn(value, old).reduceRight((all, at) => all.slice(0, at) + to + all.slice(at + length), value);
}

/** Where the last words of a name stand in the expressions of a value. */
function namesIn(value: string, name: Name): number[] {
  const found: number[] = [];
  for (let open = value.indexOf(OPEN); open >= 0; ) {
    const start = open + OPEN.length;
    const end = endOf(value, start);
    if (end < 0) break;
    found.push(...namesInExpression(value.slice(start, end), name).map((at) => start + at));
    open = value.indexOf(OPEN, end + CLOSE.length);
  }
  return found;
}

type Token = { text: string; at: number };

/** `steps.ID` and `steps["ID"]`; `x.steps.ID` is something else. */
function namesInExpression(source: string, [root, ...words]: Name): number[] {
  const tokens = [...source.matchAll(TOKEN)].map((match): Token => ({ text: match[0], at: match.index }));
  return tokens.flatMap(({ text }, index) => {
    if (text !== root || tokens[index - 1]?.text === ".") return [];
    const found = followed(tokens.slice(index + 1), words);
    return found === null ? [] : [found];
  });
}

/** Where the last of the words stands, if the tokens go on with all of them. */
function followed(tokens: readonly Token[], [word, ...words]: Name): number | null {
  const [mark, name, close] = tokens;
  const dotted = mark?.text === "." && name?.text === word;
  const quoted = mark?.text === "[" && close?.text === "]" && (name?.text === `"${word}"` || name?.text === `'${word}'`);
  if (!name || (!dotted && !quoted)) return null;
  return words.length > 0 ? followed(tokens.slice(dotted ? 2 : 3), words) : name.at + (dotted ? 0 : 1);
}

/** Where the expression ends: the first `}}` outside quotes and braces; -1 if it does not. */
function endOf(text: string, start: number): number {
  let quote = "";
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const char = text[at]!;
    if (quote) {
      if (char === "\\") at += 1;
      else if (char === quote) quote = "";
    } else if (char === "'" || char === '"') quote = char;
    else if (char === "{") depth += 1;
    else if (char === "}" && depth > 0) depth -= 1;
    else if (text.startsWith(CLOSE, at)) return at;
  }
  return -1;
}

/** Every text of the steps in which expressions are evaluated. */
function places(text: string): Place[] {
  const steps = seeDraft(text).document.getIn(["steps"], true);
  if (!isSeq(steps)) return [];
  return steps.items.flatMap((step, index) => {
    if (!isMap(step)) return [];
    return step.items.flatMap(({ key, value }) => {
      const name = nameOf(key);
      return EVALUATED.has(name) ? textsIn(value, ["steps", index, name]) : [];
    });
  });
}

function textsIn(node: unknown, path: Path): Place[] {
  if (isMap(node)) return node.items.flatMap(({ key, value }) => textsIn(value, [...path, nameOf(key)]));
  if (isSeq(node)) return node.items.flatMap((item, index) => textsIn(item, [...path, index]));
  // What an alias stands for is written, and changed, at its anchor.
  if (isAlias(node) || !isScalar(node) || typeof node.value !== "string" || !node.range) return [];
  return [{ path, value: node.value, from: node.range[0], to: node.range[1] }];
}

const nameOf = (key: unknown): string => String(isScalar(key) ? key.value : key);
