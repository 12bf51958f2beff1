/** Numbers and times as people read them. Units are joined by a no-break space, so that they never part from their figure. */
const NBSP = "\u00a0";
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

function pair(value: number, unit: string): string {
  return `${value}${NBSP}${unit}`;
}

/** Seconds in at most two units: `0.41 s`, `1.9 s`, `12 s`, `30 min`, `4 min 10 s`, `3 h 12 m`, `2 d 4 h`. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const value = Math.max(0, seconds);
  if (value > 0 && value < 0.005) return `<${NBSP}0.01${NBSP}s`;
  if (value < 0.995) return `${value.toFixed(2)}${NBSP}s`;
  if (value < 9.95) return `${value.toFixed(1)}${NBSP}s`;
  const whole = Math.round(value);
  if (whole < MINUTE) return pair(whole, "s");
  if (whole < HOUR) return twoUnits(whole, MINUTE, "min", 1, "s", "min");
  if (whole < 2 * DAY) return twoUnits(whole - (whole % MINUTE), HOUR, "h", MINUTE, "m", "h");
  return twoUnits(whole - (whole % HOUR), DAY, "d", HOUR, "h", "d");
}

/**
 * How long something has waited: the words of the server's sentence (`span` in the orchestrator's `wording.py`), so that
 * both say the same. From 10 s on what is not said is cut off: `42 s`, `1 min 30 s`, `30 min`, `3 h 12 m`, `2 d 4 h`.
 */
export function formatSpan(seconds: number): string {
  const value = Math.max(0, seconds);
  if (value > 0 && value < 0.095) return `${Math.max(value, 0.01).toFixed(2)}${NBSP}s`;
  if (value < 9.95) return `${value.toFixed(1)}${NBSP}s`;
  const whole = Math.max(10, Math.floor(value));
  if (whole < MINUTE) return pair(whole, "s");
  if (whole < 10 * MINUTE) return twoUnits(whole, MINUTE, "min", 1, "s", "min");
  if (whole < HOUR) return pair(Math.floor(whole / MINUTE), "min");
  if (whole < 2 * DAY) return twoUnits(whole, HOUR, "h", MINUTE, "m", "h");
  return twoUnits(whole, DAY, "d", HOUR, "h", "d");
}

function twoUnits(value: number, size: number, unit: string, small: number, smallUnit: string, alone: string): string {
  const big = Math.floor(value / size);
  const rest = Math.floor((value % size) / small);
  return rest === 0 ? pair(big, alone) : `${pair(big, unit)}${NBSP}${pair(rest, smallUnit)}`;
}

/** A duration that is only about right: `0.4 s`, `0.06 s`, `2.1 s`; what is shorter is about `0.01 s`. */
export function formatRough(seconds: number): string {
  return seconds >= 0.095 && seconds < 0.995 ? `${seconds.toFixed(1)}${NBSP}s` : formatDuration(Math.max(seconds, 0.01));
}

/** A duration that was written down, without a decimal point: `5 s`, `30 min`, `6 min 40 s`. */
export function formatWritten(seconds: number): string {
  return formatDuration(seconds).replace(/\.0(?=\u00a0s)/, "");
}

/** A countdown or stop-watch: whole seconds, so that it ticks evenly. */
export function formatTicking(seconds: number): string {
  return formatDuration(Math.max(0, Math.round(seconds)) || 0).replace(`0.00${NBSP}s`, `0${NBSP}s`).replace(/\.0(?=\u00a0s)/, "");
}

/** How long ago, in one unit: `just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; ahead of now: `in 12 s`. */
export function formatAgo(iso: string, now: number): string {
  const seconds = Math.round((now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return "–";
  if (Math.abs(seconds) < 2) return "just now";
  const text = oneUnit(Math.abs(seconds));
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

/** A span in one unit, rounded down: `45 s`, `5 min`, `3 h`, `12 d`. */
export function oneUnit(seconds: number): string {
  if (seconds < MINUTE) return pair(Math.floor(seconds), "s");
  if (seconds < HOUR) return pair(Math.floor(seconds / MINUTE), "min");
  if (seconds < 2 * DAY) return pair(Math.floor(seconds / HOUR), "h");
  return pair(Math.floor(seconds / DAY), "d");
}

export type Zone = "local" | "utc";

/** The exact time, for hover and for log lines: `2026-03-01 14:02:11 UTC`. */
export function formatExact(iso: string, zone: Zone): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "–";
  return `${formatDate(date, zone)} ${formatClock(iso, zone)} ${zone === "utc" ? "UTC" : zoneName(date)}`;
}

/** Time of day with seconds: `14:02:11`. */
export function formatClock(iso: string, zone: Zone, withMillis = false): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "–";
  const [h, m, s, ms] =
    zone === "utc"
      ? [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), date.getUTCMilliseconds()]
      : [date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds()];
  const clock = [h, m, s].map((part) => String(part).padStart(2, "0")).join(":");
  return withMillis ? `${clock}.${String(ms).padStart(3, "0")}` : clock;
}

function formatDate(date: Date, zone: Zone): string {
  const [y, m, d] =
    zone === "utc"
      ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
      : [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return [String(y), String(m).padStart(2, "0"), String(d).padStart(2, "0")].join("-");
}

function zoneName(date: Date): string {
  const part = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(date).find((p) => p.type === "timeZoneName");
  return part?.value ?? "";
}

/** Time of day if it is the same day, else date and time. */
export function formatMoment(iso: string, now: number, zone: Zone): string {
  const date = new Date(iso);
  const day = formatDate(date, zone);
  const clock = formatClock(iso, zone);
  return day === formatDate(new Date(now), zone) ? clock : `${day} ${clock}`;
}

/** `312 B`, `4.1 KiB`, `11.8 MiB`: powers of 1024, as the server's sentences say them (`spoken_bytes` of the checks). */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let index = 0;
  while (value >= 1023.95 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return index === 0 ? pair(Math.round(value), "B") : `${value.toFixed(1)}${NBSP}${units[index]}`;
}

/** A size that was compared: rounded for reading, and to the byte: `11.8 MiB (12,345,678 B)`. */
export function formatSize(bytes: number): string {
  return bytes < 1024 ? formatBytes(bytes) : `${formatBytes(bytes)} (${bytes.toLocaleString("en")}${NBSP}B)`;
}

/** A sentence of the server in which units do not part from their figures at the end of a line. */
export function unparted(text: string): string {
  return text.replace(/(\d) (?=(?:ms|s|min|m|h|d|B|[KMGT]iB)\b)/g, `$1${NBSP}`);
}

/** `1st`, `2nd`, `3rd`, `4th`, `11th`. */
export function ordinal(n: number): string {
  const tens = n % 100;
  if (tens >= 11 && tens <= 13) return `${n}th`;
  return `${n}${["th", "st", "nd", "rd"][n % 10] ?? "th"}`;
}

/** `1 run`, `3 runs`, `1,200 runs`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** Seconds of a duration as the process format writes it (`500ms`, `30s`, `15m`, `2h`, `1d`); null if it is not one. */
export function parseDuration(text: string | null | undefined): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text ?? "");
  if (!match) return null;
  const size = { ms: 0.001, s: 1, m: MINUTE, h: HOUR, d: DAY }[match[2] as "ms" | "s" | "m" | "h" | "d"];
  return Number(match[1]) * size;
}

/** A duration of the process format as people read it: `5m` → `5 min`. */
export function readDuration(text: string | null | undefined): string | null {
  const seconds = parseDuration(text);
  return seconds === null ? null : seconds < 1 ? pair(Math.round(seconds * 1000), "ms") : formatDuration(seconds).replace(/\.0(?=\u00a0s)/, "");
}
