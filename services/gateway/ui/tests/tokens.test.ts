/** Contrast of every pair of colours that text or signs are drawn in, by the formula of WCAG 2.2 (relative luminance). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync("src/styles/tokens.css", "utf8");
const [light, dark] = css.split(':root[data-theme="dark"]').map((part) => Object.fromEntries([...part.split("--font")[0]!.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((match) => [match[1], match[2]])));

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

const TONES = ["ok", "warn", "overdue", "failed", "error", "running", "queued"];
const TEXT: [string, string][] = [
  ...["bg", "surface", "surface-2"].flatMap((ground): [string, string][] => ["text", "muted", "accent"].map((ink) => [ink, ground])),
  ["on-accent", "accent"],
  ["on-accent", "accent-strong"],
  ...TONES.flatMap((tone): [string, string][] => [
    [tone, "surface"],
    [tone, "bg"],
    [tone, `${tone}-soft`],
    ["text", `${tone}-soft`],
    ["muted", `${tone}-soft`],
  ]),
];
const SIGNS: [string, string][] = [
  ["skipped", "surface"],
  ["line-strong", "surface"],
  ...["overdue", "failed", "error", "running"].map((tone): [string, string] => [tone, "surface"]),
];

describe.each([
  ["light", light!],
  ["dark", dark!],
])("the %s theme", (_, tokens) => {
  it.each(TEXT)("text %s on %s reaches 4.5 to 1", (ink, ground) => {
    expect(contrast(tokens[ink]!, tokens[ground]!)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(SIGNS)("the sign %s on %s reaches 3 to 1", (ink, ground) => {
    expect(contrast(tokens[ink]!, tokens[ground]!)).toBeGreaterThanOrEqual(3);
  });
});
