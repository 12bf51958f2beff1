import { describe, expect, it } from "vitest";
import { countsOf, overviewVerdict, withoutVerdict } from "@/lib/overview";
import { definitionSearch, historySearch, overviewSearch, processesSearch, safeNext } from "@/lib/search";

const standing = (by_status: Record<string, number>, never_run = 0) => ({ by_status, never_run, running: 0, processes: never_run + Object.values(by_status).reduce((sum, count) => sum + count, 0) });
const sentence = (...given: Parameters<typeof standing>) => overviewVerdict(standing(...given)).map((part) => part.text).join("");

describe("the overview", () => {
  it("says in one sentence how many need a look", () => {
    expect(sentence({ success: 6, failed: 1, stuck: 1, error: 1 }, 1)).toBe("3 of 10 processes need a look: 1 failed, 1 stuck, 1 could not check.");
    expect(sentence({ success: 4999, timeout: 1 })).toBe("1 of 5,000 processes needs a look: 1 timed out.");
    expect(sentence({ success: 3 })).toBe("All 3 processes are fine.");
    expect(sentence({}, 1)).toBe("1 process waits for its first check.");
    expect(sentence({})).toBe("Nothing to watch yet.");
  });

  it("never says that all is fine when something is not yet", () => {
    expect(sentence({ success: 4, warning: 1, not_yet: 1 }, 1)).toBe("Nothing failed: 1 warning, 1 not yet, 1 never run, 4 fine.");
  });

  it("calls nothing fine while an incident is not over, though the last run of every process was good", () => {
    const told = (incidents: number) => overviewVerdict(standing({ success: 3 }), incidents).map((part) => part.text).join("");
    expect([told(1), told(2)]).toEqual(["1 incident is not over; last runs: 3 fine.", "2 incidents are not over; last runs: 3 fine."]);
  });

  it("lists the worst first", () => {
    expect(countsOf(standing({ success: 1, not_yet: 1, failed: 1, stuck: 1 }, 1)).map((count) => count.label)).toEqual(["failed", "stuck", "not yet", "never run", "success"]);
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

describe("a process without a verdict", () => {
  it("was never checked only if no check was ever begun", () => {
    expect(withoutVerdict({ running: 0, recent: [] })).toEqual({ standing: "never run", says: "Never checked" });
    expect(withoutVerdict({ running: 1, recent: [] }).says).toBe("The first check is under way.");
    const cancelled = { run_id: "r", status: "cancelled" as const };
    expect(withoutVerdict({ running: 0, recent: [cancelled] as never }).standing).toBe("never finished");
  });
});
