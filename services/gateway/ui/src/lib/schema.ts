/** What a JSON Schema tells a form and a completion. Reads schemas as pydantic writes them; what it does not know stays free. */
import { isRecord, type Path } from "./draft";

export type Schema = {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  discriminator?: { propertyName: string; mapping: Record<string, string> };
  pattern?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  "x-secrets"?: string[];
  "x-secret-of"?: Record<string, string>;
  /** Of a check kind: what its assertions can look at, where captures come from, the kinds of its connections. */
  "x-subjects"?: string[];
  "x-captures"?: string[];
  "x-connections"?: string[];
};

/** A schema without references and without the choice of null; description and default of the outside win. */
export function plain(root: Schema, schema: Schema): Schema {
  let found = schema;
  for (let hops = 0; hops < 10; hops += 1) {
    const { $ref, anyOf } = found;
    const real = anyOf?.filter((choice) => choice.type !== "null");
    const next = $ref ? root.$defs?.[$ref.split("/").at(-1) ?? ""] : real?.length === 1 ? real[0] : undefined;
    if (!next) return found;
    const about = { description: found.description, default: found.default, examples: found.examples };
    found = { ...next, ...Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined && value !== null)) };
  }
  return found;
}

/** The branch of a union that a value belongs to; without a value that tells, all branches put together. */
export function branch(root: Schema, schema: Schema, value: unknown): Schema {
  const whole = plain(root, schema);
  const choices = whole.oneOf ?? whole.anyOf;
  if (!choices) return whole;
  const record = isRecord(value) ? value : {};
  const { discriminator } = whole;
  if (discriminator) {
    const reference = discriminator.mapping[String(record[discriminator.propertyName])];
    if (reference) return plain(root, { $ref: reference });
  }
  const branches = choices.map((choice) => plain(root, choice));
  const fitting = branches.filter((choice) => choice.properties && (choice.required ?? []).every((name) => name in record));
  if (fitting.length > 0 && !discriminator) return fitting[0]!;
  const properties = Object.assign({}, ...branches.map((choice) => choice.properties ?? {})) as Record<string, Schema>;
  if (discriminator) properties[discriminator.propertyName] = { type: "string", enum: Object.keys(discriminator.mapping) };
  return { ...whole, oneOf: undefined, anyOf: undefined, type: "object", properties };
}

/** The schema of what a list or a mapping holds. */
export function itemOf(root: Schema, schema: Schema): Schema {
  const { items, additionalProperties, patternProperties } = plain(root, schema);
  const inside = items ?? Object.values(patternProperties ?? {})[0] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  return inside ? plain(root, inside) : {};
}

/** The schema at a path of a value. */
export function schemaAt(root: Schema, path: Path, value: unknown): Schema | undefined {
  let schema: Schema | undefined = branch(root, root, value);
  let inside: unknown = value;
  for (const key of path) {
    if (!schema) return undefined;
    inside = typeof inside === "object" && inside !== null ? (inside as Record<string | number, unknown>)[key] : undefined;
    const next: Schema | undefined = typeof key === "number" ? schema.items : propertyOf(schema, key);
    schema = next && branch(root, next, inside);
  }
  return schema;
}

function propertyOf(schema: Schema, name: string): Schema | undefined {
  const known = schema.properties?.[name] ?? Object.values(schema.patternProperties ?? {})[0];
  return known ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined);
}

/** The kinds of a union that is told apart by one property: their names with their schemas. */
export function kindsOf(root: Schema, schema: Schema): [string, Schema][] {
  const { discriminator } = plain(root, schema);
  return Object.entries(discriminator?.mapping ?? {}).map(([name, reference]) => [name, plain(root, { $ref: reference })]);
}

export type FieldKind = "choice" | "switch" | "number" | "text" | "longtext" | "list" | "pairs" | "group" | "records" | "named" | "free";
const LONG_TEXT = 4000;
/** Addresses may be long and still are one line. */
const ONE_LINE = /^(url|path|base_url|if|since|root|matches)$/;

/** Which control a property wants. */
export function fieldKind(root: Schema, name: string, schema: Schema): FieldKind {
  const { type, enum: choices, properties, items, additionalProperties, patternProperties, maxLength } = plain(root, schema);
  if (choices) return "choice";
  if (type === "boolean") return "switch";
  if (type === "integer" || type === "number") return "number";
  if (type === "string") return (maxLength ?? 0) >= LONG_TEXT && !ONE_LINE.test(name) || /^(query|body|script|description)$/.test(name) && (maxLength ?? 0) >= 2000 ? "longtext" : "text";
  if (type === "array") return !items ? "free" : isText(plain(root, items)) ? "list" : plain(root, items).properties ? "records" : "free";
  if (properties) return "group";
  const of = typeof additionalProperties === "object" ? additionalProperties : Object.values(patternProperties ?? {})[0];
  if (type === "object" && of && plain(root, of).properties) return "named";
  return type === "object" && (additionalProperties === true || (of && isScalarSchema(root, of))) ? "pairs" : "free";
}

function isText({ type, enum: choices, anyOf }: Schema): boolean {
  return type === "string" || choices !== undefined || (anyOf ?? []).some((choice) => choice.const !== undefined || choice.enum !== undefined);
}

function isScalarSchema(root: Schema, schema: Schema): boolean {
  const { type, anyOf, properties } = plain(root, schema);
  return !properties && (type === undefined ? (anyOf ?? []).every((choice) => ["string", "integer", "number", "boolean", "null"].includes(String(choice.type))) : type !== "object" && type !== "array");
}

const WORDS: Record<string, string> = { ca: "CA", tls: "TLS", url: "URL", id: "ID", json: "JSON", graphql: "GraphQL", sql: "SQL", api: "API", ssh: "SSH", dns: "DNS", http: "HTTP", s3: "S3", sas: "SAS", oauth2: "OAuth 2" };

/** `verify_tls` is `Verify TLS`. */
export function labelOf(name: string): string {
  const words = name.split("_").map((word) => WORDS[word] ?? word);
  const first = words[0] ?? "";
  return [first[0]?.toUpperCase() + first.slice(1), ...words.slice(1)].join(" ");
}

/** What a text typed into a field of numbers means; text that is an expression or no number stays text. */
export function typedNumber(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
}
