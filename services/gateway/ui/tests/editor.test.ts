import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { TriedAnswer } from "@/api/types";
import { readDraft, setAt, valueAt } from "@/lib/draft";
import { addAssertion, addCapture, addStep, deleteStep, duplicateStep, idsOf, moveStep, renameProcess, renameStep, targetOf } from "@/lib/edits";
import { begin, record, redo, undo } from "@/lib/history";
import { importText } from "@/lib/import";
import { errorsByPath, errorsInStep, issuesOf } from "@/lib/issues";
import { assertionFor, assertionWords } from "@/lib/pick";
import { fieldKind, itemOf, type Schema } from "@/lib/schema";
import { partsOf } from "@/lib/trial";

const EXAMPLE = readFileSync("../../../examples/order-to-cash.yaml", "utf8");
const SCHEMA = JSON.parse(readFileSync("../../../docs/schemas/process.schema.json", "utf8")) as Schema;
const ids = (text: string) => idsOf(readDraft(text).value);
const SMALL = "version: 1\nprocess: new-process\nname: New process\n\nsteps:\n  - id: new_step\n    name: New step\n    check: {type: web_crawl, url: https://x.example}\n  - id: b\n    name: B\n    check: {type: web_crawl, url: https://x.example}\n";

describe("undo and redo", () => {
  it("take back what was typed in one go as one step", () => {
    let history = begin("a");
    history = record(history, "ab", "name", 1000);
    history = record(history, "abc", "name", 1400);
    history = record(history, "abc!", "other", 1500);
    expect(undo(history).text).toBe("abc");
    expect(undo(undo(history)).text).toBe("a");
    expect(redo(undo(undo(history))).text).toBe("abc");
    expect(undo(undo(undo(history))).text).toBe("a");
  });

  it("part what was typed after a pause, and what stands alone", () => {
    const typed = record(record(begin("a"), "ab", "name", 0), "abc", "name", 5000);
    expect(undo(typed).text).toBe("ab");
    const alone = record(record(begin("a"), "ab", "", 0), "abc", "", 1);
    expect(undo(alone).text).toBe("ab");
  });

  it("forget what was undone once something new is written, and keep nothing for no change", () => {
    const history = record(undo(record(begin("a"), "b", "", 0)), "c", "", 1);
    expect(redo(history).text).toBe("c");
    expect(record(history, "c", "", 2)).toBe(history);
  });
});

describe("faults", () => {
  it("are brought to their places, also when a key is missing", () => {
    const issues = issuesOf(readDraft(SMALL), [{ path: "body.steps[1].check.path", message: "is missing", line: 8 }, { path: "steps[0].name", message: "too long" }], [{ path: "steps[0].id", message: "odd" }]);
    expect(issues.map(({ line, severity }) => [line, severity])).toEqual([[6, "warning"], [7, "error"], [11, "error"]]);
    expect(errorsByPath(issues)).toEqual({ "steps[0].name": "too long", "steps[1].check.path": "is missing" });
    expect([errorsInStep(issues, 0), errorsInStep(issues, 1), errorsInStep(issues, 10)]).toEqual([1, 1, 0]);
  });

  it("of the syntax come first: nothing else has a place in text that cannot be read", () => {
    const issues = issuesOf(readDraft("a: [1\nb: 2"), [{ path: "a", message: "x" }], []);
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.every(({ path }) => path === "")).toBe(true);
  });
});

describe("steps", () => {
  it("are added, copied, moved and deleted with ids of their own; the last one stays", () => {
    const added = addStep({ id: "new_step", name: "New step", check: { type: "api_call" } }, 2)(SMALL);
    expect(ids(added)).toEqual(["new_step", "b", "new_step_2"]);
    expect(ids(duplicateStep(0)(added))).toEqual(["new_step", "new_step_3", "b", "new_step_2"]);
    expect(ids(moveStep(2, 0)(added))).toEqual(["new_step_2", "new_step", "b"]);
    const one = deleteStep(1)(deleteStep(2)(added));
    expect(ids(one)).toEqual(["new_step"]);
    expect(deleteStep(0)(one)).toBe(one);
  });

  it("give their name to their id, until something refers to it or somebody chose it", () => {
    expect(ids(renameStep(0, "Order is paid")(SMALL))).toEqual(["order_is_paid", "b"]);
    expect(ids(renameStep(0, "B")(SMALL))).toEqual(["b_2", "b"]);
    const used = setAt(SMALL, ["steps", 1, "if"], "${{ steps.new_step.x }}");
    expect(ids(renameStep(0, "Order is paid")(used))).toEqual(["new_step", "b"]);
    const chosen = setAt(SMALL, ["steps", 0, "id"], "mine");
    expect(ids(renameStep(0, "Order is paid")(chosen))).toEqual(["mine", "b"]);
  });

  it("say what they look at", () => {
    expect(targetOf({ check: { type: "api_call", method: "POST", connection: "shop", path: "/x" } })).toBe("POST · shop · /x");
    expect(targetOf({})).toBe("");
  });

  it("take assertions and captures under free names", () => {
    const text = addCapture(1, "state", { jsonpath: "$.b" })(addCapture(1, "state", { jsonpath: "$.a" })(addAssertion(1, { status: { eq: 200 } })(SMALL)));
    expect(valueAt(readDraft(text).value, ["steps", 1])).toMatchObject({ assert: [{ status: { eq: 200 } }], capture: { state: { jsonpath: "$.a" }, state_2: { jsonpath: "$.b" } } });
  });
});

it("the id of a new process follows its name, that of a saved one never", () => {
  expect(readDraft(renameProcess("Order to cash", true)(SMALL)).value.process).toBe("order-to-cash");
  expect(readDraft(renameProcess("Order to cash", false)(SMALL)).value.process).toBe("new-process");
});

it("an emptied field takes its group along, but not the entry that someone is filling", () => {
  const scheduled = setAt(SMALL, ["schedule"], [{ every: "5m" }]);
  expect(readDraft(setAt(scheduled, ["schedule", 0, "every"], undefined)).value.schedule).toEqual([{}]);
  const retried = setAt(SMALL, ["steps", 0, "retry", "count"], 2);
  expect(readDraft(setAt(retried, ["steps", 0, "retry", "count"], undefined)).value.steps).toEqual(readDraft(SMALL).value.steps);
});

describe("a form from the schema", () => {
  it("knows lists of things and things with names", () => {
    const kind = (name: string) => fieldKind(SCHEMA, name, SCHEMA.properties![name]!);
    expect([kind("schedule"), kind("inputs"), kind("tags"), kind("notify")]).toEqual(["records", "named", "list", "records"]);
    expect(Object.keys(itemOf(SCHEMA, SCHEMA.properties!.schedule!).properties!)).toContain("cron");
    expect(Object.keys(itemOf(SCHEMA, SCHEMA.properties!.inputs!).properties!)).toContain("matches");
  });
});

describe("the answer of a tried step", () => {
  const piece = (evidence_id: string, kind: string) => ({ evidence_id, kind, title: kind, media_type: "text/plain", size_bytes: 1, sha256: "", address: "" });
  const answer = { ok: true, findings: [{ label: "HTTP status", value: 200 }, { label: "Rows", value: 1 }], timings: { total: 0.2 }, evidence: [piece("q", "request"), piece("r", "response"), piece("t", "rows")], contents: { q: "GET /", r: 'HTTP/1.1 200 OK\nx-a: 1\n\n{"state": "PAID"}', t: '{"columns": ["a"], "rows": [[1]]}' } } as unknown as TriedAnswer;

  it("comes in parts, what can be clicked first", () => {
    expect(partsOf(answer, ["status", "elapsed"]).map(({ kind, title }) => [kind, title])).toEqual([["json", "Body"], ["table", "rows"], ["facts", "Facts"], ["facts", "Headers"], ["text", "Request"]]);
  });

  it("offers only what this kind of check can assert", () => {
    const facts = partsOf(answer, ["rows"]).find(({ title }) => title === "Facts");
    expect(facts).toMatchObject({ facts: [{ name: "Rows", pick: { subject: "rows", value: 1 } }] });
  });

  it("says in words what a click would assert", () => {
    expect(assertionWords(assertionFor({ kind: "json", path: ["state"], value: "PAID" }))).toBe("$.state = PAID");
    expect(assertionWords(assertionFor({ kind: "selector", selector: ".no", value: "4711" }))).toBe(".no = 4711");
    expect(assertionWords(assertionFor({ kind: "cell", column: "status", row: 0, of: 2, value: "OK" }))).toBe("first row column status = OK");
    expect(assertionWords(assertionFor({ kind: "fact", subject: "status", value: 200 }))).toBe("status = 200");
  });
});

describe("an import", () => {
  it("writes as people write, and values that a step stored come from that step", () => {
    const { yaml } = importText("gatus", 'suites:\n  - name: S\n    endpoints:\n      - {name: make, url: "https://x.example/o", store: {order: "[BODY].id"}}\n      - {name: read, url: "https://x.example/o/[CONTEXT].order", conditions: ["[STATUS] == 200"]}\n');
    expect(yaml).toContain("- {status: {eq: 200}}");
    expect(yaml).toContain("url: https://x.example/o/${{ steps.make.order }}");
  });

  it("keeps our own text letter by letter", () => {
    expect(importText("yaml", EXAMPLE).yaml).toBe(EXAMPLE);
  });
});
