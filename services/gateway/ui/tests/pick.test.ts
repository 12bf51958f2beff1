// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { expectedOf, expectedText, readAssertion, subjectsOf, writeAssertion } from "@/lib/assertion";
import { assertionFor, captureFor, captureName, elementsOf, jsonPath } from "@/lib/pick";
import type { Schema } from "@/lib/schema";

const SUBJECTS = subjectsOf(JSON.parse(readFileSync("../../../docs/schemas/process.schema.json", "utf8")) as Schema);

describe("a click on a value", () => {
  it("of JSON gives its path, also through odd names", () => {
    expect(jsonPath(["items", 0, "odd 'name'"])).toBe("$.items[0]['odd \\'name\\'']");
    expect(assertionFor({ kind: "json", path: ["state"], value: "PAID" })).toEqual({ jsonpath: "$.state", eq: "PAID" });
    expect(captureFor({ kind: "json", path: ["placed_at"], value: "2026-03-01T14:02:11Z" })).toEqual({ jsonpath: "$.placed_at", type: "datetime" });
    expect(captureName({ kind: "json", path: ["items", 0, "orderNo"], value: 1 })).toBe("orderno");
  });

  it("that changes with every answer only asks that it is there", () => {
    expect(assertionFor({ kind: "json", path: ["at"], value: "2026-03-01T14:02:11Z" })).toEqual({ jsonpath: "$.at", exists: true });
  });

  it("of a table names column and row", () => {
    expect(assertionFor({ kind: "cell", column: "status", row: 0, of: 3, value: "BOOKED" })).toEqual({ column: "status", row: "first", eq: "BOOKED" });
    expect(captureFor({ kind: "cell", column: "no", row: 2, of: 3, value: "R-1" })).toEqual({ column: "no", row: "last" });
  });

  it("of a time or size leaves room", () => {
    expect(assertionFor({ kind: "fact", subject: "elapsed", value: 0.4 })).toEqual({ elapsed: { lt: "2s" } });
    expect(assertionFor({ kind: "fact", subject: "size", value: 4100 })).toEqual({ size: { gt: 0 } });
  });

  it("of a page gives a selector that finds it, and runs nothing of the page", () => {
    const html = '<h1>Order</h1><p class="order-number">4711</p><ul><li>a</li><li>b</li></ul><script>document.title = "x"</script><img src="/x" onerror="alert(1)">';
    const found = elementsOf(html);
    expect(found.map(({ selector, text }) => [selector, text])).toEqual(expect.arrayContaining([["h1", "Order"], [".order-number", "4711"]]));
    expect(found.find(({ text }) => text === "b")!.selector).toBe("body > ul > li:nth-of-type(2)".replace("body > ul", "ul"));
    expect(found.some(({ tag }) => tag === "script")).toBe(false);
  });
});

describe("the form of an assertion", () => {
  it.each([
    { status: { eq: 200 } },
    { jsonpath: "$.state", in: ["PAID", "SHIPPED"] },
    { selector: ".no", text: { eq: "4711" } },
    { selector: "a", attribute: "href", contains: "/x" },
    { selector: "li", count: { gte: 2 } },
    { column: "status", row: "all", eq: "BOOKED" },
    { rows: { eq: 1 } },
  ])("reads and writes %j without loss", (written) => {
    const fields = readAssertion(SUBJECTS, written);
    expect(fields && writeAssertion(SUBJECTS, fields)).toEqual(written);
  });

  it("leaves what says more to the text", () => {
    expect(readAssertion(SUBJECTS, { rows: { gt: 1, lt: 5 } })).toBeNull();
    expect(readAssertion(SUBJECTS, { nonsense: 1 })).toBeNull();
  });

  it.each([200, "200", "PAID", true, "true", "007", "", null])("keeps the type of %j", (value) => {
    expect(expectedOf(expectedText(value), "eq")).toEqual(value);
  });
});
