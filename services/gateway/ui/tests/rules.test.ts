/** The rules of `npm run check` find what they are there for. */
import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";

const eslint = new ESLint();

async function faults(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath });
  return result!.messages.map(({ ruleId }) => ruleId ?? "");
}

describe("what a file of the page may not do", { timeout: 60_000 }, () => {
  it.each([
    ["a feature imports another by name", "src/features/run/x.ts", 'export { a } from "@/features/board/Funnel";', "no-restricted-imports"],
    ["a feature imports another by the folder above", "src/features/run/x.ts", 'export { a } from "../board/Funnel";', "no-restricted-imports"],
    ["a feature imports the app", "src/features/run/x.ts", 'export { a } from "@/app/router";', "no-restricted-imports"],
    ["a component asks the API", "src/components/x.ts", 'export { a } from "@/api/queries";', "no-restricted-imports"],
    ["logic imports a component", "src/lib/x.ts", 'export { a } from "@/components/Button";', "no-restricted-imports"],
    ["a feature writes an address", "src/features/run/x.ts", "export const a = (id: string) => `/api/v1/runs/${id}`;", "no-restricted-syntax"],
    ["a component writes an address", "src/components/x.ts", 'export const a = "/readyz";', "no-restricted-syntax"],
    ["a feature builds a whole address", "src/features/run/x.ts", "export const a = location.origin;", "no-restricted-syntax"],
    ["a feature asks the server itself", "src/features/run/x.ts", 'export const a = fetch("x");', "no-restricted-syntax"],
    ["text becomes HTML", "src/features/run/x.ts", 'export const a = (e: Element) => (e.innerHTML = "x");', "no-restricted-syntax"],
  ])("%s", async (_, path, code, rule) => expect(await faults(path, code)).toContain(rule));

  it.each([
    ["src/lib/urls.ts", "export const a = `${location.origin}/api/v1/runs`;"],
    ["src/api/x.ts", 'export const a = fetch("/api/v1/runs");'],
    ["src/features/run/x.ts", 'export { b } from "./Trail";\nexport { a } from "@/components/Button";'],
    ["src/app/x.ts", 'export { a } from "@/features/run/routes";'],
  ])("%s may", async (path, code) => expect(await faults(path, code)).toEqual([]));
});
