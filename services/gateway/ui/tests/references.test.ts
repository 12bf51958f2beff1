import { describe, expect, it } from "vitest";
import { readDraft, valueAt } from "@/lib/draft";
import { changeName, changeStepId, idsOf, renameStep } from "@/lib/edits";
import { begin, record, undo } from "@/lib/history";
import { referencesTo } from "@/lib/references";

/** Two steps; the second one is written by the test. */
const two = (second: string) => `version: 1
process: p
name: P # steps.order.state in a comment
steps:
  - id: order
    name: Order
    check: {type: api_call, url: https://x.example}
    capture: {state: {jsonpath: $.state}}
  - id: next
    name: Next
${second.replace(/^/gm, "    ")}
`;
const changed = (second: string, to = "sale") => changeStepId(0, to)(two(second));
const next = (text: string) => valueAt(readDraft(text).value, ["steps", 1]) as Record<string, unknown>;
const ids = (text: string) => idsOf(readDraft(text).value);

describe("a changed id of a step", () => {
  it("changes whatever refers to it, and not one letter else", () => {
    const second = (id: string) => `if: \${{ steps.${id}.state == 'PAID' && has(steps.${id}.state) }}
since: \${{steps.${id}.state}}
check:
  type: api_call
  url: https://x.example/\${{ steps.${id}.state }}/\${{ steps . ${id} . state }} # \${{ steps.order.state }}
assert:
  - {text: {contains: "\${{ steps.${id}.state }}"}}
capture: {again: {jsonpath: '$.\${{ steps["${id}"].state }}'}}`;
    const expected = two(second("sale")).replace("id: order", "id: sale");
    expect(changed(second("order"))).toBe(expected);
    expect(referencesTo(two(second("order")), ["steps", "order"])).toBe(7);
    expect(referencesTo(expected, ["steps", "order"])).toBe(0);
  });

  it("leaves texts alone that only look like it", () => {
    const second = "description: takes steps.order.state\nowner: ${{ steps.order.state }}\ncheck:\n  type: api_call\n  url: https://x.example/steps.order.state\n  headers: {a: '${{ \"steps.order.state\" + vars.steps.order.state }}', b: '${{ steps.order_2.state + steps.orders.state }}'}";
    expect(changed(second)).toBe(two(second).replace("id: order", "id: sale"));
    expect(referencesTo(two(second), ["steps", "order"])).toBe(0);
  });

  it.each([
    ["quotes that YAML escapes", 'if: "${{ steps.order.state == \\"steps.order.x }}\\" }}"', '${{ steps.sale.state == "steps.order.x }}" }}'],
    ["quotes that YAML doubles", "if: '${{ steps.order.state == ''it'' }}'", "${{ steps.sale.state == 'it' }}"],
    ["lines that are folded", "if: >-\n  ${{ steps.order.state == 'a'\n  || steps.order.state == 'b' }}", "${{ steps.sale.state == 'a' || steps.sale.state == 'b' }}"],
    ["braces within", 'if: "${{ {\'a\': {\'b\': steps.order.state}}.a.b == 1 }}"', "${{ {'a': {'b': steps.sale.state}}.a.b == 1 }}"],
  ])("reads %s", (_, second, expected) => expect(next(changed(second)).if).toBe(expected));

  it("changes what stands once for many at its anchor", () => {
    const text = changed("check:\n  type: api_call\n  url: &where https://x.example/${{ steps.order.state }}\n  headers: {Referer: *where}");
    expect(next(text).check).toEqual({ type: "api_call", url: "https://x.example/${{ steps.sale.state }}", headers: { Referer: "https://x.example/${{ steps.sale.state }}" } });
    expect(text).toContain("Referer: *where");
  });

  it("survives an expression without an end", () => {
    expect(next(changed("if: ${{ steps.order.state")).if).toBe("${{ steps.order.state");
  });

  it.each(["next", "Bad id", "9lives", "", "a".repeat(64), "order"])("changes nothing when it would be %j", (id) => {
    const text = two("if: ${{ steps.order.state }}");
    expect(changeStepId(0, id)(text)).toBe(text);
    expect(changeStepId(7, "sale")(text)).toBe(text);
  });

  it("begins when the id was none, or was there twice: nothing could refer to it for sure", () => {
    const bad = two("if: ${{ steps.order.state }}").replace("id: order", "id: ord er!");
    expect(ids(changeStepId(0, "sale")(bad))).toEqual(["sale", "next"]);
    expect(next(changeStepId(0, "sale")(bad)).if).toBe("${{ steps.order.state }}");
    const twice = two("if: ${{ steps.order.state }}").replace("id: next", "id: order");
    expect(ids(changeStepId(1, "sale")(twice))).toEqual(["order", "sale"]);
    expect(next(changeStepId(1, "sale")(twice)).if).toBe("${{ steps.order.state }}");
    const missing = two("if: ${{ steps.order.state }}").replace("id: order\n    name", "name");
    expect(ids(changeStepId(0, "sale")(missing))).toEqual(["sale", "next"]);
  });

  it("is one step back for undo", () => {
    const text = two("if: ${{ steps.order.state }}");
    expect(undo(record(begin(text), changeStepId(0, "sale")(text), "", 0)).text).toBe(text);
  });
});

it("a name gives its id only while no expression refers to it; a comment is no reference", () => {
  expect(ids(renameStep(0, "Sale")(two("description: steps.order.state")))).toEqual(["sale", "next"]);
  expect(ids(renameStep(0, "Sale")(two("if: ${{ steps.order.status == 'success' }}")))).toEqual(["order", "next"]);
});

/** A definition that names an input, a variable and a capture in every place where they may be named. */
const named = (input: string, variable: string, capture: string) => `version: 1
process: p
name: P
key: ${input} # the key
inputs:
  ${input}: {type: string} # order_id in a comment
  other: {type: string}
vars: {${variable}: x, order_id: kept}
schedule:
  - {every: 15m, inputs: {${input}: "1", other: "${input}"}}
population: {connection: c, query: select 1, input: ${input}}
steps:
  - id: order
    name: Order
    check: {type: api_call, url: "https://\${{ vars.${variable} }}/\${{ inputs.${input} }}/\${{ inputs['${input}'] }}/\${{ vars.order_id }}"}
    capture:
      # why
      ${capture}: {jsonpath: $.state}
      total: {jsonpath: $.total}
  - id: next
    name: Next
    if: \${{ steps.order.${capture} == 'a' && steps["order"]["${capture}"] != "steps.order.state" }}
    check: {type: api_call, url: https://x.example}
    capture: {state: {jsonpath: $.state}}
`;
const before = named("order_id", "shop", "state").replaceAll(": \"order_id\"", ": \"1\"");

describe("a changed name", () => {
  it("of an input changes expressions, the key, schedules and the population, and keeps order and comments", () => {
    expect(changeName(["inputs"], "order_id", "order_no")(before)).toBe(named("order_no", "shop", "state").replaceAll(": \"order_no\"", ": \"1\""));
    expect(referencesTo(before, ["inputs", "order_id"])).toBe(2);
  });

  it("of a variable changes what is taken from it", () => {
    expect(changeName(["vars"], "shop", "host")(before)).toBe(before.replace("{shop:", "{host:").replace("vars.shop", "vars.host"));
  });

  it("of a capture changes what later steps take, not the capture of the same name in another step", () => {
    const after = changeName(["steps", 0, "capture"], "state", "condition")(before);
    expect(after).toBe(before.replace("      state:", "      condition:").replace("steps.order.state =", "steps.order.condition =").replace('["state"]', '["condition"]'));
    expect(changeName(["steps", 1, "capture"], "state", "condition")(before)).toBe(before.replace("capture: {state", "capture: {condition"));
  });

  it.each(["other", "Bad name", "", "order_id"])("changes nothing when it would be %j", (name) => {
    expect(changeName(["inputs"], "order_id", name)(before)).toBe(before);
  });

  it("changes nothing when there is no such thing", () => {
    expect(changeName(["inputs"], "missing", "found")(before)).toBe(before);
    expect(changeName(["steps", 5, "capture"], "state", "found")(before)).toBe(before);
  });

  it("that YAML would read as something else is quoted", () => {
    expect(Object.keys(valueAt(readDraft(changeName(["vars"], "shop", "null")(before)).value, ["vars"]) as object)).toEqual(["null", "order_id"]);
  });

  it("of a capture of a step whose id is there twice changes the capture alone", () => {
    const twice = before.replace("id: next", "id: order");
    expect(changeName(["steps", 0, "capture"], "state", "condition")(twice)).toBe(twice.replace("      state:", "      condition:"));
  });
});
