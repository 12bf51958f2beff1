import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { type Connect, defineConfig, type Plugin, runnerImport } from "vite";
import type * as Sample from "./server";

const alias = { "@": fileURLToPath(new URL("../../src", import.meta.url)) };

/** Strict on purpose: what the pages need beyond it is a fault. */
const POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/** Answers the API beside the pages, in development and for a built application alike. */
function sampleApi(): Plugin {
  let sample: Promise<typeof Sample> | undefined;
  const answer: Connect.NextHandleFunction = (request, response, next) => {
    if (!request.url?.startsWith("/api/v1")) return next();
    sample ??= runnerImport<typeof Sample>(fileURLToPath(new URL("./server.ts", import.meta.url)), { configFile: false, resolve: { alias } }).then(({ module }) => module);
    sample.then(({ handle }) => handle(request, response)).catch(next);
  };
  return {
    name: "sample-api",
    configureServer(server) {
      server.middlewares.use(answer);
    },
    configurePreviewServer(server) {
      server.middlewares.use((_, response, next) => {
        response.setHeader("Content-Security-Policy", POLICY);
        next();
      });
      server.middlewares.use(answer);
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  plugins: [react(), sampleApi()],
  resolve: { alias },
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 700 },
});
