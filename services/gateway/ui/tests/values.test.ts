import { describe, expect, it } from "vitest";
import { assertionText, captureText, scheduleText } from "@/lib/definition";
import { barHeights, cellStatus, slowCell, usualSeconds } from "@/lib/grid";
import { timingSpans } from "@/lib/timings";
import { addedWords, asTable, changeWords, inUnit, showChanged, showExpectation, showValue } from "@/lib/value";
import { tokensOfLine } from "@/lib/yaml";
import { grid } from "./sample/data";

describe("values", () => {
  it("are shown as they are: text is text, even when it looks like something else", () => {
    expect(["007", "<b>", 1.5, true, null, { a: [1] }].map(showValue)).toEqual(["007", "<b>", "1.5", "true", "null", '{"a":[1]}']);
  });

  it("are expected in signs and words", () => {
    expect(showExpectation("eq", 1)).toBe("= 1");
    expect(showExpectation("in", ["PAID", "SHIPPED"])).toBe("one of PAID, SHIPPED");
    expect(showExpectation("between", [1, 5])).toBe("between 1 and 5");
    expect(showExpectation("exists", false)).toBe("does not exist");
    expect(showExpectation("newer_than", "24h")).toBe("newer than 24h");
  });

  it("carry a unit where a bare number would puzzle", () => {
    expect([inUnit("age", 86400), inUnit("Size", 4100), inUnit("count", 3)].map((value) => String(value).replaceAll("\u00a0", " "))).toEqual(["24 h", "4.0 KiB (4,100 B)", "3"]);
  });

  it("are not said twice beside the rule", () => {
    expect(addedWords("size", "size: nothing found, expected above 0")).toBe("nothing found");
    expect(addedWords("$.a[0]", "the path leads nowhere")).toBe("the path leads nowhere");
    expect(addedWords("count", null)).toBeNull();
  });

  it("are named in a difference by what was looked at", () => {
    expect(["assertions[0].actual", "findings.Size", "captures.invoice", "status"].map((path) => changeWords(path, [{ label: "count" }]))).toEqual(["count (actual)", "Size", "captured invoice", "status"]);
  });

  it("have their unit in a difference, and a dash where there is nothing", () => {
    expect([showChanged("size (actual)", 78), showChanged("Size", 4100), showChanged("count (actual)", 1), showChanged("age (actual)", null)].map((text) => text.replaceAll("\u00a0", " "))).toEqual(["78 B", "4.0 KiB (4,100 B)", "1", "–"]);
  });

  it("become a table from columns and rows, from objects, and from a named list", () => {
    expect(asTable({ columns: ["a", { name: "b" }], rows: [[1, 2], { a: 3, b: 4 }] })).toEqual({ columns: ["a", "b"], rows: [[1, 2], [3, 4]] });
    expect(asTable([{ a: 1 }, { b: 2 }])).toEqual({ columns: ["a", "b"], rows: [[1, undefined], [undefined, 2]] });
    expect(asTable({ files: [{ path: "x" }] })?.rows).toEqual([["x"]]);
  });

  it("stay text when they are no table", () => {
    expect([asTable("text"), asTable([1, 2]), asTable({ a: 1 }), asTable(null)]).toEqual([null, null, null, null]);
  });
});

describe("a definition in words", () => {
  it("names what must hold", () => {
    expect(assertionText({ subject: "jsonpath", argument: "$.state", operators: { in: ["A", "B"] } })).toBe("$.state one of A, B");
    expect(assertionText({ subject: "column", argument: "status", row: "any", operators: { eq: "OK" } })).toBe("any row column status = OK");
    expect(assertionText({ subject: "status", operators: { gte: 200, lt: 300 } })).toBe("status ≥ 200 and < 300");
  });

  it("names what is captured and when it runs", () => {
    expect(captureText({ jsonpath: "$.at", type: "datetime", row: "first", optional: false })).toBe("$.at as datetime");
    expect(captureText({ column: "no", row: "last", optional: true })).toBe("column no, last row (optional)");
    expect(scheduleText({ catch_up: "skip", cron: "0 6 * * 1-5", timezone: "Europe/Berlin", inputs: {} })).toBe("at 0 6 * * 1-5 (Europe/Berlin)");
  });
});

describe("YAML", () => {
  const kinds = (line: string) => tokensOfLine(line).filter((token) => token.text.trim()).map((token) => [token.kind, token.text]);

  it("loses nothing of a line", () => {
    for (const line of ['  - {status: {eq: 200}}  # why', "a: 'it''s ${{ x }}'", "query: select a, b from t where c = :d", "", "  : [", "- {"]) {
      expect(tokensOfLine(line).map((token) => token.text).join("")).toBe(line);
    }
  });

  it("tells keys, numbers, strings, expressions and comments apart", () => {
    expect(kinds('timeout: 5m')).toEqual([["key", "timeout"], ["mark", ":"], ["number", "5m"]]);
    expect(kinds('id: "${{ inputs.a }}" # note')).toEqual([["key", "id"], ["mark", ":"], ["string", '"'], ["expression", "${{ inputs.a }}"], ["string", '"'], ["comment", "# note"]]);
    expect(kinds("url: ${{ vars.a }}/b/${{ inputs.c }}").map(([kind]) => kind)).toEqual(["key", "mark", "expression", "plain", "expression"]);
    expect(kinds("active: true").at(-1)).toEqual(["word", "true"]);
  });
});

describe("the grid of runs", () => {
  it("marks a success that was slower than usual, and nothing when there are few runs", () => {
    const usual = usualSeconds(grid);
    expect(slowCell(grid[11]!, "shop_page", usual, grid.length)).toBe(true);
    expect(slowCell(grid[10]!, "shop_page", usual, grid.length)).toBe(false);
    expect(slowCell(grid[11]!, "shop_page", usual, 3)).toBe(false);
  });

  it("leaves the cell of a kept step empty, but not that of one still to come", () => {
    const column = { ...grid[0]!, steps: { a: "pending", b: "success" } };
    expect([cellStatus(column, "a"), cellStatus(column, "b"), cellStatus({ ...column, status: "running" }, "a"), cellStatus(column, "c")]).toEqual([null, "success", "pending", null]);
  });

  it("keeps the shortest bar visible and the longest whole", () => {
    const heights = barHeights([{ ...grid[0]!, duration_seconds: 100 }, { ...grid[1]!, duration_seconds: 0.1 }, { ...grid[2]!, duration_seconds: null }]);
    expect(heights).toEqual([1, 0.12, 0.12]);
  });
});

it("lays the phases of an attempt end to end", () => {
  const { spans, total } = timingSpans({ total: 1, body: 0.5, dns: 0.25, connect: 0.25 });
  expect(total).toBe(1);
  expect(spans.map((span) => [span.name, span.from, span.share])).toEqual([
    ["dns", 0, 0.25],
    ["connect", 0.25, 0.25],
    ["body", 0.5, 0.5],
  ]);
});
