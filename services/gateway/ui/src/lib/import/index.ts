/** Bringing in what was written elsewhere. Nothing is guessed silently: what is left behind stands in the report. */
import { idOf, isRecord, readDraft, writeNew } from "../draft";
import { fromCurl } from "./curl";
import { fromGatus } from "./gatus";
import { fromHar } from "./har";
import { fromHurl } from "./hurl";
import { type Imported, ImportProblem, type Lost } from "./shape";

export { ImportProblem, type Lost } from "./shape";

export type Source = "yaml" | "curl" | "har" | "gatus" | "hurl";
export const SOURCES: readonly (readonly [Source, string])[] = [
  ["yaml", "Steptrail YAML or JSON"],
  ["curl", "curl command"],
  ["har", "HAR file of a browser"],
  ["gatus", "Gatus configuration"],
  ["hurl", "Hurl file"],
];
const LONGEST = 20_000_000;
const READERS: Record<Exclude<Source, "yaml">, (text: string) => Imported> = { curl: fromCurl, har: fromHar, gatus: fromGatus, hurl: fromHurl };

/** What a text probably is; null if it could be anything. */
export function sourceOf(text: string): Source | null {
  if (/^\s*(\$ )?curl\s/m.test(text)) return "curl";
  if (/^\s*\{/.test(text) && /"log"\s*:/.test(text) && /"entries"\s*:/.test(text)) return "har";
  if (/^\s*"?process"?\s*:/m.test(text) || /^\s*\{[\s\S]*"process"\s*:/.test(text)) return "yaml";
  if (/^(suites|endpoints):/m.test(text)) return "gatus";
  if (/^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\s+\S+\s*$/m.test(text)) return "hurl";
  return null;
}

/** A definition as YAML, ready to be looked through in the editor. Raises `ImportProblem`. */
export function importText(source: Source, text: string): { yaml: string; lost: Lost[] } {
  if (!text.trim()) throw new ImportProblem("There is nothing to import yet.");
  if (text.length > LONGEST) throw new ImportProblem("This is more than 20 MB of text.");
  if (source === "yaml") return { yaml: ownYaml(text), lost: [] };
  const { name, steps, lost, about } = READERS[source](text);
  const definition = { version: 1, process: idOf(name, "-"), name, ...about, steps };
  return { yaml: writeNew(definition), lost };
}

/** Our own format is kept letter by letter; JSON is written as YAML. */
function ownYaml(text: string): string {
  const { value, faults } = readDraft(text);
  if (faults[0]) throw new ImportProblem(`Line ${faults[0].line}: ${faults[0].message}`);
  if (!isRecord(value) || !("steps" in value)) throw new ImportProblem("This is no definition of Steptrail: it has no steps.");
  return /^\s*\{/.test(text) ? writeNew(value) : text;
}
