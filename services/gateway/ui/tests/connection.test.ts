import { describe, expect, it } from "vitest";
import { idFrom, kindGroups, ordered, rareFields, secretsOf, settingsToSend, targetOf, unusedFields, withValue } from "@/lib/connection";
import { fieldFaults, unplaced } from "@/lib/faults";
import type { Schema } from "@/lib/schema";

const HTTP: Schema = {
  required: ["kind", "base_url"],
  properties: {
    kind: { const: "http" },
    username: { description: "For auth: basic and form" },
    base_url: { type: "string" },
    auth: { default: "none", enum: ["none", "basic", "bearer"] },
    verify_tls: { type: "boolean" },
    client_certificate: { type: "string" },
  },
  "x-secrets": ["password", "token", "client_key"],
  "x-secret-of": { basic: "password", bearer: "token" },
};
const set = { set: true, updated_at: null };

describe("a connection", () => {
  it("asks for what its sign-in uses", () => {
    expect(unusedFields(HTTP, {})).toEqual(["username"]);
    expect(unusedFields(HTTP, { auth: "basic" })).toEqual([]);
    expect(secretsOf(HTTP, { auth: "basic" }, {})).toEqual(["password"]);
    expect(secretsOf(HTTP, { auth: "bearer", client_certificate: "PEM" }, { password: set })).toEqual(["password", "token", "client_key"]);
    expect(secretsOf({ "x-secrets": ["password"] }, {}, {})).toEqual(["password"]);
  });

  it("sends only what belongs to its kind and sign-in", () => {
    expect(settingsToSend("http", HTTP, { base_url: "https://a", username: "left over", auth: "bearer", strange: 1 })).toEqual({ base_url: "https://a", auth: "bearer", kind: "http" });
  });

  it("puts what everybody needs first", () => {
    expect(Object.keys(ordered(HTTP).properties!).slice(0, 2)).toEqual(["base_url", "auth"]);
    expect(rareFields(HTTP)).toEqual(["verify_tls", "client_certificate"]);
  });

  it("is one line", () => {
    const line = (settings: object) => targetOf(settings as Parameters<typeof targetOf>[0]);
    expect(line({ kind: "postgresql", host: "db", port: 5432, database: "erp" })).toBe("db:5432/erp");
    expect(line({ kind: "s3", bucket: "out", prefix: "invoices" })).toBe("out/invoices");
    expect(line({ kind: "http", base_url: "https://a/b" })).toBe("https://a/b");
    expect(line({ kind: "sftp", host: "files", port: 22, root: "/" })).toBe("files:22");
  });

  it("is changed in place", () => {
    expect(withValue({ a: 1, login: { path: "/x" } }, ["login", "path"], undefined)).toEqual({ a: 1 });
    expect(withValue({ a: 1 }, ["login", "path"], "/x")).toEqual({ a: 1, login: { path: "/x" } });
    expect([idFrom("Büro – Datenbank 2"), idFrom("***"), idFrom("a".repeat(80)).length]).toEqual(["buro-datenbank-2", "", 64]);
  });
});

describe("a refused form", () => {
  const refused = Object.assign(new Error("both"), {
    errors: [
      { path: "body.settings.http.login.path", message: "is required" },
      { path: "body.connection_id", message: "String should match pattern '^x$'" },
      { path: "body.password", message: "String should have at least 12 characters" },
      { path: "body.channel_id", message: "there is no channel nope" },
    ],
  });

  it("tells each field what is wrong with it, in words", () => {
    expect(fieldFaults(refused)).toEqual({ "login.path": "This is needed.", connection_id: "This is not written as it must be.", password: "At least 12 characters.", channel_id: "There is no channel nope." });
  });

  it("says beside the form what belongs to no field", () => {
    expect(unplaced(refused, ["login", "connection_id", "password", "channel_id"])).toBeNull();
    expect(unplaced(refused, ["login", "connection_id", "password"])?.message).toBe("channel_id: There is no channel nope.");
    expect(unplaced(new Error("no connection"), ["name"])?.message).toBe("no connection");
    expect(unplaced(null, [])).toBeNull();
  });
});

it("puts every kind into one group, also those that only a plugin knows", () => {
  expect(kindGroups(["azure_blob", "http", "ldap", "mssql", "postgresql"])).toEqual([
    ["Web pages and APIs", ["http"]],
    ["Databases", ["postgresql", "mssql"]],
    ["Files", ["azure_blob"]],
    ["Others", ["ldap"]],
  ]);
  expect(kindGroups([])).toEqual([]);
});
