import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Clock from "@/lib/clock";

let learnServerTime: typeof Clock.learnServerTime;
let serverNow: typeof Clock.serverNow;

const NOW = Date.parse("2026-03-01T12:00:00Z");
const header = (ms: number) => new Date(ms).toUTCString();
/** What the page takes the time for, as difference from this computer's clock in seconds. */
const off = () => (serverNow() - Date.now()) / 1000;

describe("the server's time", () => {
  beforeEach(async () => {
    vi.useFakeTimers({ now: NOW });
    vi.resetModules();
    ({ learnServerTime, serverNow } = await import("@/lib/clock"));
  });
  afterEach(() => vi.useRealTimers());

  it("is this computer's own when both agree, whatever the second was cut off to", () => {
    learnServerTime(header(NOW + 900), NOW + 900, NOW + 950);
    expect(off()).toBe(0);
  });

  it("is not taken from how long an answer took", () => {
    learnServerTime(header(NOW), NOW, NOW + 30_000); // answered at once, thirty seconds on the way back
    expect(off()).toBe(0);
    learnServerTime(header(NOW + 30_000), NOW, NOW + 30_000); // thirty seconds of thinking
    expect(off()).toBe(0);
  });

  it("is followed when this computer's clock is wrong, and a slow answer does not move it again", () => {
    learnServerTime(header(NOW + 600_000), NOW, NOW + 100);
    expect(off()).toBeCloseTo(600, 0);
    const known = off();
    learnServerTime(header(NOW + 600_000), NOW, NOW + 20_000);
    expect(off()).toBe(known);
  });

  it("is this computer's own again when its clock was put right", () => {
    learnServerTime(header(NOW - 3_600_000), NOW, NOW + 100);
    expect(off()).toBeCloseTo(-3600, 0);
    learnServerTime(header(NOW), NOW, NOW + 100);
    expect(Math.abs(off())).toBeLessThan(1);
  });

  it("is not learnt from an answer without a date", () => {
    learnServerTime(null, NOW, NOW);
    expect(off()).toBe(0);
  });
});
