import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { duplicateItem, freeId, idOf, insertItem, moveItem, parsePath, pathAt, rangeOf, readDraft, setAt, valueAt } from "@/lib/draft";

const EXAMPLE = readFileSync("../../../examples/order-to-cash.yaml", "utf8");
const comments = (text: string) => (text.match(/#.*$/gm) ?? []).map((comment) => comment.trim());
const stepsOf = (text: string) => (readDraft(text).value.steps as { id: string }[]).map((step) => step.id);

describe("a form changes the text in place", () => {
  it("and one value changes nothing else, not even alignment", () => {
    const changed = setAt(EXAMPLE, ["steps", 0, "name"], "Order can be seen");
    expect(changed).toBe(EXAMPLE.replace("Order is visible in the shop", "Order can be seen"));
  });

  it("quoting what YAML would read as something else", () => {
    const changed = setAt(EXAMPLE, ["steps", 0, "name"], "4711: yes");
    expect(valueAt(readDraft(changed).value, ["steps", 0, "name"])).toBe("4711: yes");
    const inFlow = setAt(EXAMPLE, ["steps", 3, "check", "path"], "a, b}.xml");
    expect(valueAt(readDraft(inFlow).value, ["steps", 3, "check", "path"])).toBe("a, b}.xml");
  });

  it.each([
    ["a new key", (text: string) => setAt(text, ["steps", 1, "owner"], "team-orders")],
    ["a whole part", (text: string) => setAt(text, ["steps", 1, "check"], { type: "api_call", url: "https://x.example" })],
    ["a removal", (text: string) => setAt(text, ["steps", 2, "owner"], undefined)],
    ["a move", (text: string) => moveItem(text, ["steps"], 0, 2)],
    ["a copy", (text: string) => duplicateItem(text, ["steps"], 0, { id: "copy" })],
    ["a new item", (text: string) => insertItem(text, ["steps", 0, "assert"], 2, { title: { contains: "Order" } })],
  ])("and %s keeps every comment that has a place", (what, change) => {
    const kept = comments(change(EXAMPLE));
    const gone = what === "a whole part" ? ["# base address and credentials live in the connection"] : [];
    expect(kept).toEqual(comments(EXAMPLE).filter((comment) => !gone.includes(comment)));
    expect(readDraft(change(EXAMPLE)).faults).toEqual([]);
  });

  it("and what became empty goes as well", () => {
    const once = setAt("a:\n  b:\n    c: 1\nd: 2\n", ["a", "b", "c"], undefined);
    expect(readDraft(once).value).toEqual({ d: 2 });
  });
});

describe("steps", () => {
  it("move, and each keeps what belongs to it", () => {
    const moved = moveItem(EXAMPLE, ["steps"], 4, 0);
    expect(stepsOf(moved)).toEqual(["release", "shop_page", "order_api", "invoice_row", "invoice_file"]);
    expect(readDraft(moveItem(moved, ["steps"], 0, 4)).value).toEqual(readDraft(EXAMPLE).value);
  });

  it("stay where they are beyond the ends", () => {
    expect(moveItem(EXAMPLE, ["steps"], 0, -1)).toBe(EXAMPLE);
    expect(moveItem(EXAMPLE, ["steps"], 4, 5)).toBe(EXAMPLE);
  });

  it("are copied behind themselves with an id of their own", () => {
    const copied = duplicateItem(EXAMPLE, ["steps"], 1, { id: freeId("order_api", stepsOf(EXAMPLE)) });
    expect(stepsOf(copied).slice(0, 3)).toEqual(["shop_page", "order_api", "order_api_2"]);
  });

  it("get ids out of words", () => {
    expect(idOf("Order is visible!")).toBe("order_is_visible");
    expect(idOf("4 Orders", "-")).toBe("orders");
    expect(idOf("###")).toBe("step");
    expect(freeId("page_2", ["page", "page_2"])).toBe("page_3");
  });
});

describe("places", () => {
  it("are found for the paths of errors", () => {
    const { document } = readDraft(EXAMPLE);
    const { from, to } = rangeOf(document, parsePath("steps[2].check.query"));
    expect(EXAMPLE.slice(from, to)).toMatch(/^query: select invoice_no/);
    const missing = rangeOf(document, parsePath("body.steps[1].name.nothing"));
    expect(EXAMPLE.slice(missing.from, missing.to)).toBe("name: Order service knows the order");
  });

  it("tell where a cursor stands", () => {
    const { document } = readDraft(EXAMPLE);
    expect(pathAt(document, EXAMPLE.indexOf("team-billing")).slice(0, 3)).toEqual(["steps", 2, "owner"]);
  });
});

describe("bad text", () => {
  it("names the line, and what can be read is read", () => {
    const { faults, value } = readDraft("name: a\nname: b\nsteps: [\n");
    expect(faults.map((fault) => fault.line)).toContain(2);
    expect(value.name).toBeDefined();
  });

  it("with a bomb of aliases is refused without hanging", () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]", ..."bcdefgh".split("").map((name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[index]}`).join(", ")}]`)].join("\n");
    expect(readDraft(bomb).faults.at(-1)?.message).toMatch(/alias/i);
  });
});
