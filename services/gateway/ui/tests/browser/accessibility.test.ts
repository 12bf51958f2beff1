import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { afterAll, beforeAll, expect, it } from "vitest";
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

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [360, 1440, 3840]) {
    it.each(SCREENS)(`%s is accessible and fits, ${colorScheme}, ${width} px`, async (_, path, press) => {
      const page = await pages.open(path, { colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" });
      await page.waitForTimeout(700);
      if (press) await page.keyboard.press(press);
      await page.addScriptTag({ path: AXE });
      const results = await page.evaluate((rules) => (window as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({ runOnly: rules }), RULES);
      expect(results.violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`)).toEqual([]);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(tooWide).toBe(0);
      await page.context().close();
    });
  }
}
