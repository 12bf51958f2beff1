/** From a click on a value of a real answer to an assertion about it, or a capture of it. */
import { idOf, isRecord } from "./draft";
import { showExpectation } from "./value";

/** Where a value stands in an answer. */
export type Pick =
  | { kind: "json"; path: readonly (string | number)[]; value: unknown }
  | { kind: "cell"; column: string; row: number; of: number; value: unknown }
  | { kind: "header"; name: string; value: unknown }
  | { kind: "selector"; selector: string; attribute?: string; value: unknown }
  | { kind: "fact"; subject: string; value: unknown };

/** An RFC 9535 path: `$.items[0]['odd name']`. */
export function jsonPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(part) ? `${text}.${part}` : `${text}['${part.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}']`;
  }, "$");
}

/** A moment, as programs write it. */
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

/** The assertion that holds now, in written form. What changes with every answer is only required to be there. */
export function assertionFor(pick: Pick): Record<string, unknown> {
  const scalar = typeof pick.value !== "object" || pick.value === null;
  const changing = typeof pick.value === "string" && MOMENT.test(pick.value);
  const rule: Record<string, unknown> = scalar && !changing ? { eq: pick.value } : { exists: true };
  switch (pick.kind) {
    case "json":
      return { jsonpath: jsonPath(pick.path), ...rule };
    case "cell":
      return { column: pick.column, ...rowOf(pick), ...rule };
    case "header":
      return { header: pick.name, ...rule };
    case "selector":
      return pick.attribute ? { selector: pick.selector, attribute: pick.attribute, ...rule } : { selector: pick.selector, text: rule };
    case "fact":
      return { [pick.subject]: pick.subject === "elapsed" || pick.subject === "age" ? { lt: roomFor(Number(pick.value)) } : pick.subject === "size" ? { gt: 0 } : rule };
  }
}

/** The same in words, for the button that makes it: `$.state = PAID`. */
export function assertionWords(assertion: Record<string, unknown>): string {
  const rule = (of: unknown): string => Object.entries(of as Record<string, unknown>).map(([operator, expected]) => showExpectation(operator, expected)).join(" and ");
  const [[subject, argument] = ["", ""], ...rest] = Object.entries(assertion);
  if (isRecord(argument)) return `${subject} ${rule(argument)}`;
  const { row, text, attribute, ...rules } = Object.fromEntries(rest) as Record<string, unknown>;
  const where = [row && `${String(row)} row`, /^(jsonpath|selector)$/.test(subject) ? "" : subject, String(argument), attribute && `attribute ${String(attribute)}`].filter(Boolean).join(" ");
  return `${where} ${rule(text ?? rules)}`;
}

/** Only the first and last row can be named; a row between is looked for among all. */
function rowOf({ row, of }: { row: number; of: number }): Record<string, unknown> {
  if (of <= 1) return {};
  return { row: row === 0 ? "first" : row === of - 1 ? "last" : "any" };
}

/** A limit with room above what was measured: three times it, as a duration that reads well. */
function roomFor(seconds: number): string {
  const limit = seconds * 3;
  const units: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const [size, unit] = units.find(([length]) => limit >= length) ?? [1, "s"];
  return `${Math.max(1, Math.ceil(limit / size))}${unit}`;
}

/** The capture of the value, in written form; null for what is no value of the answer itself. */
export function captureFor(pick: Pick): Record<string, unknown> | null {
  const type = typeof pick.value === "string" && MOMENT.test(pick.value) ? { type: "datetime" } : {};
  switch (pick.kind) {
    case "json":
      return { jsonpath: jsonPath(pick.path), ...(isRecord(pick.value) || Array.isArray(pick.value) ? { type: "json" } : type) };
    case "cell":
      return { column: pick.column, row: pick.row === pick.of - 1 && pick.of > 1 ? "last" : "first", ...type };
    case "header":
      return { header: pick.name };
    case "selector":
      return { selector: pick.selector, ...(pick.attribute ? { attribute: pick.attribute } : {}), ...type };
    case "fact":
      return null;
  }
}

/** A name for a capture, from what was clicked. */
export function captureName(pick: Pick): string {
  switch (pick.kind) {
    case "json":
      return idOf([...pick.path].reverse().find((part): part is string => typeof part === "string") ?? "value");
    case "cell":
      return idOf(pick.column);
    case "header":
      return idOf(pick.name);
    case "selector":
      return idOf(pick.selector);
    case "fact":
      return idOf(pick.subject);
  }
}

export type PageElement = { selector: string; text: string; tag: string; attributes: [string, string][] };
const MOST_ELEMENTS = 300;
const WORTH: readonly string[] = ["href", "src", "value", "content", "alt"];

/** The elements of a page that carry text or an address, each with the shortest selector that finds it alone or first. The page is parsed, never run. */
export function elementsOf(html: string): PageElement[] {
  const page = new DOMParser().parseFromString(html, "text/html");
  const found: PageElement[] = [];
  for (const element of page.querySelectorAll("title, body *")) {
    if (found.length >= MOST_ELEMENTS) break;
    if (/^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE|SVG|PATH)$/i.test(element.tagName)) continue;
    const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent?.trim());
    const attributes = WORTH.flatMap((name): [string, string][] => (element.getAttribute(name) ? [[name, element.getAttribute(name)!]] : []));
    if (!own && attributes.length === 0) continue;
    found.push({ selector: selectorOf(element, page), text: (element.textContent ?? "").replace(/\s+/g, " ").trim().slice(0, 300), tag: element.tagName.toLowerCase(), attributes });
  }
  return found;
}

const SAFE_NAME = /^[A-Za-z_][\w-]*$/;

function selectorOf(element: Element, page: Document): string {
  const finds = (selector: string) => page.querySelector(selector) === element;
  if (SAFE_NAME.test(element.id) && finds(`#${element.id}`)) return `#${element.id}`;
  const tag = element.tagName.toLowerCase();
  for (const name of [...element.classList].filter((entry) => SAFE_NAME.test(entry))) if (finds(`.${name}`)) return `.${name}`;
  for (const attribute of ["data-testid", "name", "itemprop"]) {
    const value = element.getAttribute(attribute);
    if (value && SAFE_NAME.test(value) && finds(`${tag}[${attribute}="${value}"]`)) return `${tag}[${attribute}="${value}"]`;
  }
  if (finds(tag)) return tag;
  const around = element.parentElement;
  if (!around || around === page.documentElement) return tag;
  const place = [...around.children].filter((sibling) => sibling.tagName === element.tagName).indexOf(element) + 1;
  const within = around.tagName === "BODY" ? "body" : selectorOf(around, page);
  const simple = `${within} > ${tag}`;
  return finds(simple) ? simple : `${simple}:nth-of-type(${place})`;
}
