import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Pages } from "./pages";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SCREENS: [name: string, path: string, press?: string][] = [
  ["sign-in", "/sign-in"],
  ["overview", "/"],
  ["wall screen", "/?wall=1"],
  ["processes", "/processes"],
  ["no process found", "/processes?q=nothing-is-called-so"],
  ["a stuck run", "/runs/run-49"],
  ["its data", "/runs/run-49?step=invoice_row&tab=data"],
  ["its request", "/runs/run-49?step=shop_page&tab=request"],
  ["its difference to the last good run", "/runs/run-49?tab=good"],
  ["its log", "/runs/run-49?step=payment&tab=log"],
  ["its first aid", "/runs/run-49?tab=aid"],
  ["a process before any run", "/processes/newsletter"],
  ["the form of a check", "/processes/order-to-cash", "c"],
  ["the help", "/", "?"],
  ["the definition", "/processes/order-to-cash/definition"],
  ["history", "/history"],
  ["an unknown run", "/runs/unknown"],
];

let pages: Pages;
beforeAll(async () => {
  pages = await Pages.start();
});
afterAll(() => pages.stop());

describe.each([
  ["light", 360],
  ["light", 1440],
  ["dark", 1440],
] as const)("%s at %d px", (colorScheme, width) => {
  it.each(SCREENS)("%s has no fault that axe can find", async (_, path, press) => {
    const page = await settled(path, press, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
    await page.addScriptTag({ path: AXE });
    const results = await page.evaluate((rules) => (window as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({ runOnly: rules }), RULES);
    expect(results.violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`)).toEqual([]);
    await page.context().close();
  });
});

it.each(SCREENS)("%s fits from 360 px to 4K, and asks for nothing that the policy forbids", async (_, path, press) => {
  const page = await settled(path, press, { viewport: { width: 360, height: 740 } });
  for (const width of [360, 768, 1024, 3840]) {
    await page.setViewportSize({ width, height: 900 });
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect([width, tooWide]).toEqual([width, 0]);
  }
  await page.context().close();
  expect(pages.faults.filter((fault) => !fault.includes("404"))).toEqual([]);
});

async function settled(path: string, press: string | undefined, options: BrowserContextOptions): Promise<Page> {
  const page = await pages.open(path, { reducedMotion: "reduce", ...options });
  await page.locator('[role="status"][aria-label^="Loading"]').waitFor({ state: "detached" });
  await page.waitForTimeout(250);
  if (press) await page.keyboard.press(press);
  return page;
}
