import { describe, expect, it } from "vitest";
import { formatAgo, formatBytes, formatClock, formatDuration, formatExact, formatRough, formatSize, formatTicking, oneUnit, ordinal, parseDuration, plural, readDuration, unparted } from "@/lib/format";

const plain = (text: string | null) => text?.replaceAll("\u00a0", " ");

describe("durations", () => {
  it.each([
    [0.414, "0.41 s"],
    [0.0038, "< 0.01 s"],
    [0.996, "1.0 s"],
    [1.94, "1.9 s"],
    [12.4, "12 s"],
    [59.7, "1 min"],
    [250, "4 min 10 s"],
    [1800, "30 min"],
    [11520, "3 h 12 m"],
    [7200, "2 h"],
    [187_200, "2 d 4 h"],
    [-3, "0.00 s"],
  ])("%d seconds read as %s", (seconds, words) => {
    expect(plain(formatDuration(seconds))).toBe(words);
  });

  it("shows a dash for what was not measured, never 0", () => {
    expect(formatDuration(null)).toBe("–");
    expect(formatDuration(Number.NaN)).toBe("–");
  });

  it("rounds what is usual to one digit", () => {
    expect(plain(formatRough(0.418))).toBe("0.4 s");
    expect(plain(formatRough(0.06))).toBe("0.06 s");
    expect(plain(formatRough(0.002))).toBe("0.01 s");
  });

  it("ticks in whole seconds down to 0", () => {
    expect([4.2, 1, 0.2, 0, 75].map((seconds) => plain(formatTicking(seconds)))).toEqual(["4 s", "1 s", "0 s", "0 s", "1 min 15 s"]);
  });

  it("reads the durations of the process format and refuses others", () => {
    expect(["500ms", "30s", "15m", "2h", "1d"].map(parseDuration)).toEqual([0.5, 30, 900, 7200, 86400]);
    expect(["5", "m", "", null, "1w"].map(parseDuration)).toEqual([null, null, null, null, null]);
    expect(plain(readDuration("5m"))).toBe("5 min");
    expect(plain(readDuration("2s"))).toBe("2 s");
    expect(plain(readDuration("500ms"))).toBe("500 ms");
  });
});

describe("moments", () => {
  const now = Date.parse("2026-03-02T12:00:00Z");

  it.each([
    ["2026-03-02T11:59:59Z", "just now"],
    ["2026-03-02T11:59:48Z", "12 s ago"],
    ["2026-03-02T11:55:00Z", "5 min ago"],
    ["2026-03-02T09:00:00Z", "3 h ago"],
    ["2026-02-27T12:00:00Z", "3 d ago"],
    ["2026-03-02T12:10:00Z", "in 10 min"],
    ["nonsense", "–"],
  ])("%s is %s", (iso, words) => {
    expect(plain(formatAgo(iso, now))).toBe(words);
  });

  it("gives the exact time in UTC when asked", () => {
    expect(formatExact("2026-03-01T14:02:11.250Z", "utc")).toBe("2026-03-01 14:02:11 UTC");
    expect(formatClock("2026-03-01T14:02:11.250Z", "utc", true)).toBe("14:02:11.250");
  });

  it("rounds a standing down, so that it never claims more than has passed", () => {
    expect(plain(oneUnit(3599))).toBe("59 min");
    expect(plain(oneUnit(172_800))).toBe("2 d");
  });
});

describe("other figures", () => {
  it("counts with words", () => {
    expect([plural(1, "run"), plural(1200, "run"), plural(2, "process", "processes")]).toEqual(["1 run", "1,200 runs", "2 processes"]);
    expect([1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal)).toEqual(["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]);
  });

  it("prints sizes in decimal units", () => {
    expect([0, 312, 4200, 12_345_678, 1_048_570].map((size) => plain(formatBytes(size)))).toEqual(["0 B", "312 B", "4.1 KiB", "11.8 MiB", "1.0 MiB"]);
    expect([312, 12_345_678].map((size) => plain(formatSize(size)))).toEqual(["312 B", "11.8 MiB (12,345,678 B)"]);
  });
});

it("keeps units beside their figures in a sentence of the server", () => {
  expect(unparted("Passed 1–4, waiting 3 h 12 m, size 11.8 MiB, 3 steps")).toBe("Passed 1–4, waiting 3\u00a0h 12\u00a0m, size 11.8\u00a0MiB, 3 steps");
});
