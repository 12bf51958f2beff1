import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { suggest } from "@/lib/completion";
import { fieldKind, kindsOf, labelOf, type Schema, schemaAt, typedNumber } from "@/lib/schema";

const SCHEMA = JSON.parse(readFileSync("../../../docs/schemas/process.schema.json", "utf8")) as Schema;
const HEAD = "version: 1\nprocess: x\nname: X\nsteps:\n  - id: one\n    name: One\n    check:\n      type: api_call\n      url: https://a.example\n";

/** The suggestions at the sign `|`. */
function at(text: string, names = {}): string[] {
  const offset = text.indexOf("|");
  return suggest(SCHEMA, text.replace("|", ""), offset, names)?.items.map((item) => item.label) ?? [];
}

describe("completion", () => {
  it("offers the keys of the process that are not there yet", () => {
    const keys = at(`${HEAD}ow|`);
    expect(keys).toContain("owner");
    expect(keys).not.toContain("name");
  });

  it("offers the keys of a step, also in the middle of a list", () => {
    const second = `${HEAD}    |\n  - id: two\n    name: Two\n    check: {type: web_crawl, url: https://b.example}\n`;
    expect(at(second)).toContain("expect_within");
    expect(at(second)).not.toContain("check");
  });

  it("offers the keys of the kind of check that is chosen", () => {
    expect(at(`${HEAD}      |`)).toContain("graphql");
    expect(at(`${HEAD}      |`)).not.toContain("url");
    expect(at(HEAD.replace("api_call", "db_query").replace("url: https://a.example", "|"))).toContain("params");
  });

  it("offers every installed kind of check, in a block and in braces", () => {
    const kinds = kindsOf(SCHEMA, SCHEMA.$defs!.Step!.properties!.check!).map(([name]) => name);
    expect(at(HEAD.replace("type: api_call", "type: |"))).toEqual(kinds);
    expect(at(`${HEAD}  - id: two\n    name: Two\n    check: {type: |}\n`)).toEqual(kinds);
  });

  it("offers values that are a closed list", () => {
    expect(at(`${HEAD}    on_failure: |`)).toEqual(["stop", "continue", "warn"]);
    expect(at(`${HEAD}    always_run: t|`)).toEqual(["true", "false"]);
  });

  it("offers names that only the installation knows", () => {
    expect(at(`${HEAD}      connection: |`, { connection: ["erp", "shop"] })).toEqual(["erp", "shop"]);
  });

  it("offers what can be asserted", () => {
    expect(at(`${HEAD}    assert:\n      - |`)).toContain("jsonpath");
    expect(at(`${HEAD}    assert:\n      - {jsonpath: $.a, |}`)).toContain("in");
  });

  it("is silent in comments and expressions", () => {
    expect(at(`${HEAD}# na|`)).toEqual([]);
    expect(at(`${HEAD}    if: \${{ inp|`)).toEqual([]);
  });
});

describe("forms", () => {
  it("choose a control by the schema", () => {
    const check = (type: string) => schemaAt(SCHEMA, ["steps", 0, "check"], { steps: [{ check: { type } }] })!;
    const kind = (type: string, name: string) => fieldKind(SCHEMA, name, check(type).properties![name]!);
    expect(kind("api_call", "method")).toBe("choice");
    expect(kind("api_call", "verify_tls")).toBe("switch");
    expect(kind("api_call", "headers")).toBe("pairs");
    expect(kind("api_call", "url")).toBe("text");
    expect(kind("api_call", "mask")).toBe("list");
    expect(kind("api_call", "graphql")).toBe("group");
    expect(kind("api_call", "json")).toBe("free");
    expect(kind("db_query", "query")).toBe("longtext");
    expect(kind("db_query", "params")).toBe("pairs");
  });

  it("have a control for every property of every kind of check", () => {
    for (const [, schema] of kindsOf(SCHEMA, SCHEMA.$defs!.Step!.properties!.check!)) {
      for (const [name, property] of Object.entries(schema.properties ?? {})) expect(fieldKind(SCHEMA, name, property)).toBeTruthy();
    }
  });

  it("speak in words and keep expressions as text", () => {
    expect(labelOf("verify_tls")).toBe("Verify TLS");
    expect([typedNumber("12"), typedNumber("${{ vars.n }}"), typedNumber(" ")]).toEqual([12, "${{ vars.n }}", undefined]);
  });
});
