import { describe, expect, it } from "vitest";
import { counts, overviewVerdict, redFirst } from "@/lib/overview";
import { definitionSearch, historySearch, overviewSearch, processesSearch, safeNext } from "@/lib/search";
import { rows } from "./sample/data";

const sentence = (list: typeof rows) => overviewVerdict(list).map((part) => part.text).join("");

describe("the overview", () => {
  it("puts red first, then what has stood longest, then names", () => {
    expect(redFirst(rows).slice(0, 3).map((row) => row.state.last_status)).toEqual(["failed", "stuck", "error"]);
    expect(redFirst(rows).at(-1)?.state.last_status).toBe("success");
  });

  it("says in one sentence how many need a look", () => {
    expect(sentence(rows)).toBe("3 of 10 processes need a look: 1 failed, 1 stuck, 1 could not check.");
    expect(sentence(rows.slice(5, 8))).toBe("All 3 processes are fine.");
    expect(sentence(rows.slice(9))).toBe("1 process waits for its first check.");
    expect(sentence([])).toBe("Nothing to watch yet.");
  });

  it("never says that all is fine when something is not yet", () => {
    expect(sentence(rows.slice(3))).toBe("Nothing failed: 1 warning, 1 not yet, 1 never run, 4 success.");
    expect(counts(rows).map((count) => count.label)).toEqual(["failed", "stuck", "could not check", "warning", "not yet", "never run", "success"]);
  });
});

describe("what addresses carry", () => {
  it("is kept when it is understood and dropped when not", () => {
    expect(processesSearch({ q: "4711", status: "stuck", active: "maybe", evil: "x" })).toEqual({ q: "4711", status: "stuck" });
    expect(historySearch({ since: "2026-02-30x", until: "2026-03-01", trigger: "magic", status: "nope" })).toEqual({ until: "2026-03-01" });
    expect(overviewSearch({ wall: 1 })).toEqual({ wall: 1 });
    expect(overviewSearch({ wall: "2" })).toEqual({});
    expect([definitionSearch({ rev: "3" }), definitionSearch({ rev: "-1" }), definitionSearch({ rev: "x" })]).toEqual([{ rev: 3 }, {}, {}]);
  });

  it("leads back to this site only after signing in", () => {
    expect(["/runs/1?step=a", "//evil.example", "/\\evil.example", "https://evil.example", "/sign-in?next=/", undefined].map(safeNext)).toEqual(["/runs/1?step=a", "/", "/", "/", "/", "/"]);
  });
});
