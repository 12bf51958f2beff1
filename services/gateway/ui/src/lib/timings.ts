/** The phases of an attempt in the order they happen, laid end to end. */
const ORDER = ["dns", "connect", "tls", "first_byte", "body"];
const WORDS: Record<string, string> = { dns: "name (DNS)", connect: "connect", tls: "TLS", first_byte: "first byte", body: "body" };

export type Span = { name: string; words: string; seconds: number; from: number; share: number };

/** Each phase with where it starts and how much of the whole it takes, both from 0 to 1. */
export function timingSpans(timings: Record<string, number>): { spans: Span[]; total: number } {
  const phases = Object.entries(timings).filter(([name]) => name !== "total");
  phases.sort(([a], [b]) => rank(a) - rank(b));
  const sum = phases.reduce((seconds, [, value]) => seconds + value, 0);
  const total = timings.total ?? sum;
  const scale = Math.max(total, sum) || 1;
  let passed = 0;
  const spans = phases.map(([name, seconds]) => {
    const span = { name, words: WORDS[name] ?? name.replaceAll("_", " "), seconds, from: passed / scale, share: seconds / scale };
    passed += seconds;
    return span;
  });
  return { spans, total };
}

function rank(name: string): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}
