import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The server that `npm run dev` passes the API on to. */
const apiServer = process.env.STEPTRAIL_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: { "/api": apiServer } },
  build: {
    outDir: "../src/steptrail_gateway/static",
    emptyOutDir: true,
    manifest: true,
    // Inlined assets would be data: addresses, which the content security policy refuses for fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What matters is the size after compression, which scripts/check-size.mjs bounds.
    chunkSizeWarningLimit: 700,
  },
  test: { include: ["tests/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
