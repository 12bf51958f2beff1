import { useNow } from "@/lib/clock";
import { formatAgo, formatClock, formatExact, formatSpan, formatTicking } from "@/lib/format";
import { usePreferences } from "@/lib/preferences";

/** A moment as distance from now, exact on hover. Of one that is `due`, nearly there is `now` and not `just now`. */
export function Ago({ at, due = false }: { at: string; due?: boolean }) {
  const now = useNow();
  const { zone } = usePreferences();
  return (
    <time dateTime={at} title={formatExact(at, zone)}>
      {due ? formatAgo(at, now).replace(/^just /, "") : formatAgo(at, now)}
    </time>
  );
}

/** A moment as time of day, exact on hover. */
export function Clock({ at, millis = false }: { at: string; millis?: boolean }) {
  const { zone } = usePreferences();
  return (
    <time dateTime={at} title={formatExact(at, zone)}>
      {formatClock(at, zone, millis)}
    </time>
  );
}

/** The exact moment in words. */
export function Exact({ at }: { at: string }) {
  const { zone } = usePreferences();
  return <time dateTime={at}>{formatExact(at, zone)}</time>;
}

/** Time that has passed since a moment, ticking. */
export function Elapsed({ since }: { since: string }) {
  const now = useNow();
  return <span className="figures">{formatTicking((now - Date.parse(since)) / 1000)}</span>;
}

/** How long something has stood, in the words of sentences: `42 s`, `36 min`, `3 h 12 m`. Exact on hover. */
export function Stood({ since }: { since: string }) {
  const now = useNow();
  const { zone } = usePreferences();
  return (
    <span className="figures" title={`since ${formatExact(since, zone)}`}>
      {formatSpan(Math.max(1, Math.floor((now - Date.parse(since)) / 1000))).replace(/\.0(?=\u00a0s)/, "")}
    </span>
  );
}

/** Time left until a moment, ticking down and staying at 0. */
export function Countdown({ to }: { to: string }) {
  const now = useNow();
  return <span className="figures">{formatTicking(Math.max(0, (Date.parse(to) - now) / 1000))}</span>;
}
