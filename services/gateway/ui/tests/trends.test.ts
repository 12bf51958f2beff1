import { describe, expect, it } from "vitest";
import type { StepFigures, TrendDay } from "@/api/types";
import { trendsSearch } from "@/lib/search";
import { columnsOf, percent, periodStart, slowestFirst } from "@/lib/trends";

const day = (name: string, success_rate: number | null) => ({ day: name, runs: 2, by_status: {}, success_rate, p50_seconds: 1, p95_seconds: 2 }) as TrendDay;
const step = (number: number, p95_seconds: number | null) => ({ step_id: `s${number}`, number, p95_seconds }) as StepFigures;

describe("a trend", () => {
  it("shows days without runs as gaps", () => {
    const columns = columnsOf({ since: "2026-02-27", until: "2026-03-02", days: [day("2026-02-27", 0.5), day("2026-03-01", null)] });
    expect(columns.days.map((at) => new Date(at * 1000).toISOString().slice(5, 10))).toEqual(["02-27", "02-28", "03-01", "03-02"]);
    expect(columns.rate).toEqual([50, null, null, null]);
    expect(columns.p95).toEqual([2, null, 2, null]);
    expect(columns.found.map((found) => found?.day ?? null)).toEqual(["2026-02-27", null, "2026-03-01", null]);
  });

  it("begins with a whole day", () => {
    expect(periodStart(7, Date.parse("2026-03-07T23:59:59Z"))).toBe("2026-03-01T00:00:00.000Z");
    expect(periodStart(7, Date.parse("2026-03-07T00:00:00Z"))).toBe("2026-03-01T00:00:00.000Z");
  });

  it("puts the slowest step first and the unmeasured last", () => {
    expect(slowestFirst([step(1, 0.1), step(2, null), step(3, 4)]).map(({ number }) => number)).toEqual([3, 1, 2]);
  });

  it("never rounds to a perfection that was not there", () => {
    expect([percent(1), percent(0.9999), percent(0.4286), percent(0), percent(null)]).toEqual(["100\u00a0%", "99.9\u00a0%", "43\u00a0%", "0\u00a0%", "–"]);
  });

  it("knows its periods", () => {
    expect([trendsSearch({ days: "90", process_id: "a" }), trendsSearch({ days: "12" })]).toEqual([{ days: 90, process_id: "a" }, {}]);
  });
});
