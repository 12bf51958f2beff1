/** One clock for all pages: ticks every second, and follows the server's time when this computer's is off. */
import { createContext, useContext, useSyncExternalStore } from "react";

const TICK_MS = 1000;
/** The `Date` header says whole seconds, cut off. */
const HEADER_STEP_MS = 1000;
/** How far the two clocks may disagree about one moment before either counts as wrong. */
const TOLERATED_MS = 500;

let skewMs = 0;
let current = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

/**
 * Learns the server's time from the `Date` header of an answer that was asked for at `sent` and was there at `received`.
 *
 * The server wrote it somewhere between the two, so an answer only says within which bounds the difference lies; what is
 * known already stays while it lies within them. A slow answer has wide bounds and therefore changes nothing.
 */
export function learnServerTime(header: string | null, sent: number, received: number): void {
  const server = Date.parse(header ?? "");
  if (Number.isNaN(server)) return;
  const least = server - received;
  const most = server + HEADER_STEP_MS - sent;
  if (skewMs < least - TOLERATED_MS || skewMs > most + TOLERATED_MS) skewMs = (least + most) / 2;
}

/** Now by the server's clock, in milliseconds. */
export function serverNow(): number {
  return Date.now() + skewMs;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    current = serverNow();
    listeners.forEach((notify) => notify());
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

function snapshot(): number {
  // Without a ticking timer the value would be stale on the first render of the first listener; asked again at once,
  // it must be the same.
  if (timer === undefined && Math.abs(serverNow() - current) >= TICK_MS) current = serverNow();
  return current;
}

/** The moment that a replay stands at, in milliseconds; null is the present. */
export const ReplayedMoment = createContext<number | null>(null);

/** Now, renewed every second while the component is shown; inside a replay, its moment. */
export function useNow(): number {
  const replayed = useContext(ReplayedMoment);
  const now = useSyncExternalStore(subscribe, snapshot);
  return replayed ?? now;
}
