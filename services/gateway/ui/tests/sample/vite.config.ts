import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import type * as Sample from "./server";

/** Answers the API inside the development server. Loaded through it, so that the sample uses the pages' own modules. */
const sampleApi: Plugin = {
  name: "sample-api",
  configureServer(server) {
    server.middlewares.use((request, response, next) => {
      if (!request.url?.startsWith("/api/v1")) return next();
      server
        .ssrLoadModule("/tests/sample/server.ts")
        .then((sample) => (sample as typeof Sample).handle(request, response))
        .catch(next);
    });
  },
};

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  plugins: [react(), sampleApi],
  resolve: { alias: { "@": fileURLToPath(new URL("../../src", import.meta.url)) } },
});
