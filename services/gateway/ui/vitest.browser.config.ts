import { defineConfig } from "vitest/config";

/** The pages in Chromium against the sample API: `npm run test:browser`. */
export default defineConfig({
  test: { include: ["tests/browser/**/*.test.ts"], environment: "node", testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
});
