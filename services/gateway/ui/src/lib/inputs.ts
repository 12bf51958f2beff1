/** The inputs of a process as a form: text while typing, typed values when sent. */
import type { Definition, Input } from "@/api/types";
import { showValue } from "./value";

export type InputTexts = Record<string, string>;
export type InputErrors = Record<string, string>;

/** What the form starts with: remembered values, else defaults. */
export function startingTexts(inputs: NonNullable<Definition["inputs"]>, remembered: InputTexts): InputTexts {
  return Object.fromEntries(
    Object.entries(inputs).map(([id, input]) => [id, remembered[id] ?? (input.default === null || input.default === undefined ? "" : showValue(input.default))]),
  );
}

/** The error of one input, as a person can act on it; null if its text is fine. */
export function inputError(input: Input, label: string, text: string): string | null {
  const value = text.trim();
  if (value === "") return input.required !== false && (input.default ?? null) === null ? `Enter the ${lowered(label)}.` : null;
  const example = input.example === null || input.example === undefined ? "" : ` Example: ${showValue(input.example)}`;
  if (input.type === "integer" && !/^[+-]?\d+$/.test(value)) return `Enter a whole number.${example}`;
  if (input.type === "number" && !Number.isFinite(Number(value))) return `Enter a number.${example}`;
  if (input.type === "date" && Number.isNaN(Date.parse(value))) return "Enter a date.";
  if (input.type === "datetime" && Number.isNaN(Date.parse(value))) return "Enter a date and time.";
  if (input.options && !input.options.some((option) => showValue(option) === value)) return "Choose one of the values.";
  if (input.matches && !wholeMatch(input.matches, value)) return `This does not have the form that is asked for.${example}`;
  return null;
}

/** `Order number` inside a sentence; `IBAN` stays as it is. */
function lowered(label: string): string {
  return label === label.toUpperCase() ? label : `${label.charAt(0).toLowerCase()}${label.slice(1)}`;
}

/** Whether the whole text matches. A pattern the browser cannot read is left to the server. */
function wholeMatch(pattern: string, text: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(text);
  } catch {
    return true;
  }
}

/** Every error by input id. */
export function inputErrors(inputs: NonNullable<Definition["inputs"]>, texts: InputTexts): InputErrors {
  const found: InputErrors = {};
  for (const [id, input] of Object.entries(inputs)) {
    const error = inputError(input, input.label ?? id, texts[id] ?? "");
    if (error) found[id] = error;
  }
  return found;
}

/** The typed values to send. Empty ones are left out, so that the server's defaults stand. */
export function typedValues(inputs: NonNullable<Definition["inputs"]>, texts: InputTexts): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [id, input] of Object.entries(inputs)) {
    const text = (texts[id] ?? "").trim();
    if (text === "") continue;
    values[id] = typed(input, text);
  }
  return values;
}

function typed(input: Input, text: string): unknown {
  const option = input.options?.find((candidate) => showValue(candidate) === text);
  if (option !== undefined) return option;
  if (input.type === "integer" || input.type === "number") return Number(text);
  if (input.type === "boolean") return text === "true";
  if (input.type === "datetime") return new Date(text).toISOString();
  return text;
}

/** Errors of the server beside their fields: the last part of a path under `inputs` names the input. */
export function errorsByInput(errors: readonly { path: string; message: string }[], ids: readonly string[]): { fields: InputErrors; others: string[] } {
  const fields: InputErrors = {};
  const others: string[] = [];
  for (const { path, message } of errors) {
    const id = /(?:^|\.)inputs\.([A-Za-z0-9_]+)/.exec(path)?.[1] ?? path;
    if (ids.includes(id)) fields[id] ??= message;
    else others.push(path ? `${path}: ${message}` : message);
  }
  return { fields, others };
}
