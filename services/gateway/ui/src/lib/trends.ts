/** Days of a trend as columns of a chart, and steps in the order in which they cost time. */
import type { StepFigures, Trend, TrendDay } from "@/api/types";

const DAY_S = 86_400;

export const PERIODS = [7, 30, 90, 365] as const;
export type Period = (typeof PERIODS)[number];
export const USUAL_PERIOD: Period = 30;

/** The start of the UTC day so many days ago, today included: the same all day long. */
export function periodStart(days: Period, now: number): string {
  const today = Math.floor(now / 1000 / DAY_S) * DAY_S;
  return new Date((today - (days - 1) * DAY_S) * 1000).toISOString();
}

export type Columns = { days: number[]; rate: (number | null)[]; p50: (number | null)[]; p95: (number | null)[]; found: (TrendDay | null)[] };

/** Every day of the period in seconds since 1970, also those without runs: gaps are shown as gaps. */
export function columnsOf(trend: Pick<Trend, "since" | "until" | "days">): Columns {
  const byDay = new Map((trend.days ?? []).map((day) => [day.day, day]));
  const columns: Columns = { days: [], rate: [], p50: [], p95: [], found: [] };
  const last = Date.parse(trend.until) / 1000;
  for (let at = Date.parse(trend.since) / 1000; at <= last; at += DAY_S) {
    const day = byDay.get(new Date(at * 1000).toISOString().slice(0, 10)) ?? null;
    columns.days.push(at);
    columns.found.push(day);
    columns.rate.push(day?.success_rate == null ? null : day.success_rate * 100);
    columns.p50.push(day?.p50_seconds ?? null);
    columns.p95.push(day?.p95_seconds ?? null);
  }
  return columns;
}

/** The slowest first, by what 19 of 20 runs stay below; what was never measured comes last. */
export function slowestFirst(steps: readonly StepFigures[]): StepFigures[] {
  return [...steps].sort((a, b) => (b.p95_seconds ?? -1) - (a.p95_seconds ?? -1) || a.number - b.number);
}

/** `43 %`, `100 %`, `–`; never rounded up to a perfection that was not there. */
export function percent(rate: number | null | undefined): string {
  if (rate === null || rate === undefined) return "–";
  const whole = rate >= 1 ? 100 : Math.min(rate * 100, 99.9);
  return `${whole >= 99 && whole < 100 ? whole.toFixed(1) : Math.round(whole)}\u00a0%`;
}
