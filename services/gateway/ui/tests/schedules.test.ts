import { describe, expect, it } from "vitest";
import type { ScheduleState } from "@/api/types";
import { cronWords } from "@/lib/cron";
import { maintenanceText, readAgainMs, rhythm, rhythmDetails, tickWords } from "@/lib/schedules";

const NB = "\u00a0";

describe("a schedule in words", () => {
  it("says how often, with what, and how exactly", () => {
    expect(rhythm({ every_seconds: 900, cron: null, timezone: "UTC" })).toBe(`every 15${NB}min`);
    expect(rhythm({ every_seconds: null, cron: "0 6 * * 1-5", timezone: "Europe/Berlin" })).toBe("0 6 * * 1-5 (Europe/Berlin)");
    const schedule = { inputs: { order_id: "4711" }, jitter_seconds: 30, catch_up: "once" } as unknown as ScheduleState;
    expect(rhythmDetails(schedule)).toBe(`order_id 4711 · starts up to 30${NB}s later · missed ticks are made up for by one run`);
  });

  it("tells a tick that was missed from one that was skipped on purpose", () => {
    expect(tickWords({ outcome: "started", reason: null, count: 1 })).toEqual({ tone: "ok", word: "started", why: null });
    expect(tickWords({ outcome: "missed", reason: "late", count: 12 })).toEqual({ tone: "overdue", word: "12 ticks missed", why: "nobody was there to start it" });
    expect(tickWords({ outcome: "skipped", reason: "some_new_reason", count: 1 }).why).toBe("some new reason");
  });

  it("reads cron aloud, and leaves alone what is none", () => {
    expect(cronWords("30 7 * * 1-5")).toBe("At 07:30, Monday through Friday");
    expect(cronWords("*/15 8-17 * * *")).toBe("Every 15 minutes, between 08:00 and 17:59");
    expect(cronWords("0 2 * * 7")).toBe(cronWords("0 2 * * SUN"));
    for (const text of ["", "0 2 * *", "0 0 2 * * 1", "61 2 * * *", "soon"]) expect(cronWords(text)).toBeNull();
  });

  it("says when nothing is started", () => {
    const exact = (iso: string) => iso.slice(0, 10);
    expect(maintenanceText({ cron: "30 2 * * 0", duration: "2h", timezone: "Europe/Berlin" } as never, exact)).toBe(`30 2 * * 0 (Europe/Berlin) for 2${NB}h`);
    expect(maintenanceText({ from: "2026-03-01T00:00:00Z", until: "2026-03-02T00:00:00Z" } as never, exact)).toBe("from 2026-03-01 until 2026-03-02");
  });

  it("is read again when the next of them has been due", () => {
    const now = Date.parse("2026-03-01T00:00:00Z");
    const at = (seconds: number) => ({ next_run_at: new Date(now + seconds * 1000).toISOString() });
    expect(readAgainMs([at(3600), at(8)], now)).toBe(9_000);
    expect(readAgainMs([at(3600), { next_run_at: null }], now)).toBe(15_000);
    expect(readAgainMs([at(-30)], now)).toBe(2_000);
  });
});
