/** Connections in words, and which of their fields and secrets a way of signing in uses. */
import type { Connection, ConnectionRights } from "@/api/types";
import { isRecord, type Path } from "./draft";
import { kindsOf, type Schema } from "./schema";
import type { Tone } from "./status";

type Settings = Record<string, unknown>;

const KIND: Record<string, string> = {
  http: "HTTP",
  postgresql: "PostgreSQL",
  mysql: "MySQL or MariaDB",
  mssql: "SQL Server",
  oracle: "Oracle",
  mongodb: "MongoDB",
  sqlite: "SQLite file",
  files: "Folder",
  s3: "S3 bucket",
  sftp: "SFTP server",
  gcs: "Google Cloud bucket",
  azure_blob: "Azure Blob container",
};

const DATABASES: readonly string[] = ["postgresql", "mysql", "mssql", "oracle", "mongodb", "sqlite"];

/** The kinds as people look for them. */
const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ["Web pages and APIs", ["http"]],
  ["Databases", DATABASES],
  ["Files", ["files", "sftp", "s3", "gcs", "azure_blob"]],
];

/** Kinds in groups, the usual ones first; one that no group knows, such as a plugin's, stands in a group of its own. */
export function kindGroups(kinds: readonly string[]): [string, string[]][] {
  const known = GROUPS.map(([title, members]): [string, string[]] => [title, members.filter((kind) => kinds.includes(kind))]);
  const others = kinds.filter((kind) => !GROUPS.some(([, members]) => members.includes(kind)));
  return [...known, ["Others", others] as [string, string[]]].filter(([, members]) => members.length > 0);
}

export const kindName = (kind: string): string => KIND[kind] ?? kind;

/** Where a connection leads, in one line without anything secret. */
export function targetOf(settings: Connection["settings"]): string {
  const all = settings as unknown as Settings;
  const text = (name: string) => (all[name] === null || all[name] === undefined ? "" : String(all[name] as string | number));
  const place = text("base_url") || text("root") || text("path");
  const store = text("bucket") || text("container");
  if (store) return [store, text("prefix")].filter(Boolean).join("/");
  if (!text("host")) return place;
  const inside = text("database") || text("service_name") || text("root").replace(/^\//, "");
  return `${text("host")}${text("port") && `:${text("port")}`}${inside && `/${inside}`}`;
}

/** What an account may do, as colour and words: only reading is green, all rights are red. */
export const RIGHTS: Record<ConnectionRights["level"], { tone: Tone; word: string }> = {
  read_only: { tone: "ok", word: "can only read" },
  can_write: { tone: "warn", word: "can write" },
  superuser: { tone: "failed", word: "may do everything" },
  unknown: { tone: "queued", word: "not known" },
};

/** The kinds that can be made, with their schemas. */
export const kindsOfConnection = (root: Schema): [string, Schema][] => kindsOf(root, root.properties?.settings ?? {});

/** Ways of signing in that a field says it is for; null when it is for all. */
function signInsOf(description: string | undefined): string[] | null {
  const said = /^For auth: ([a-z0-9_]+(?: and [a-z0-9_]+)*)/.exec(description ?? "");
  return said ? said[1]!.split(" and ") : null;
}

function signIn(schema: Schema, settings: Settings): unknown {
  return settings.auth ?? schema.properties?.auth?.default;
}

/** Fields that the chosen way of signing in does not use. */
export function unusedFields(schema: Schema, settings: Settings): string[] {
  const way = String(signIn(schema, settings));
  return Object.entries(schema.properties ?? {})
    .filter(([, { description }]) => signInsOf(description)?.includes(way) === false)
    .map(([name]) => name);
}

/** The order in which people think of a target; what is not named follows. */
const FIRST = ["base_url", "host", "port", "bucket", "account", "container", "endpoint_url", "region", "prefix", "database", "service_name", "auth_database", "root", "path", "auth", "username", "access_key_id"];

/** The properties in that order. A form shows only those of the chosen way of signing in: their descriptions need not say which it is. */
export function ordered(schema: Schema): Schema {
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const properties = Object.entries(schema.properties ?? {})
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, property]): [string, Schema] => [name, { ...property, description: withoutSignIn(property.description) }]);
  return { ...schema, properties: Object.fromEntries(properties) };
}

function withoutSignIn(description: string | undefined): string | undefined {
  const rest = description?.replace(/^For auth: [a-z0-9_]+(?: and [a-z0-9_]+)*,? ?/, "");
  return rest ? rest[0]!.toUpperCase() + rest.slice(1) : undefined;
}

/** Fields that few targets need: folded away until one of them is set. */
export function rareFields(schema: Schema): string[] {
  return Object.keys(schema.properties ?? {}).filter((name) => !schema.required?.includes(name) && /certificate$|^headers$|^verify_tls$|^concurrency$/.test(name));
}

/** Secrets to ask for: the one of the chosen sign-in, those that belong to none, and those that are set. */
export function secretsOf(schema: Schema, settings: Settings, held: Connection["secrets"]): string[] {
  const byWay = schema["x-secret-of"] ?? {};
  const own = byWay[String(signIn(schema, settings))];
  const bound = new Set(Object.values(byWay));
  const free = (name: string) => {
    if (name === "client_key") return Boolean(settings.client_certificate);
    if (name === "passphrase") return own === "private_key";
    return !bound.has(name);
  };
  return (schema["x-secrets"] ?? []).filter((name) => name === own || held[name]?.set || free(name));
}

/** Settings as they are sent: of the chosen kind, without what its sign-in does not use. */
export function settingsToSend(kind: string, schema: Schema, settings: Settings): Settings {
  const unused = new Set(unusedFields(schema, settings));
  const known = Object.entries(settings).filter(([name, value]) => name in (schema.properties ?? {}) && !unused.has(name) && value !== undefined && value !== null);
  return { ...Object.fromEntries(known), kind };
}

/** A value with another one at a path; `undefined` takes it away. */
export function withValue(settings: Settings, [name, ...rest]: Path, value: unknown): Settings {
  const inside = settings[String(name)];
  const next = rest.length ? withValue(isRecord(inside) ? inside : {}, rest, value) : value;
  const changed = { ...settings, [String(name)]: next };
  const empty = next === undefined || (rest.length > 0 && isRecord(next) && Object.keys(next).length === 0);
  if (empty) delete changed[String(name)];
  return changed;
}

/** `Order database` is `order-database`: an id that the server takes. */
export function idFrom(name: string): string {
  return name
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-+|-+$/g, "");
}

/** Whether a connection of this kind is asked statements, so that what may happen is up to its account alone. */
export const isDatabase = (kind: string): boolean => DATABASES.includes(kind);
