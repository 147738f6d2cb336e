import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";
import { sourcesHash } from "./scripts/sources.mjs";

/** Writes beside the page what it was built from, so that a stale build can be told without Node. */
function buildNote(): Plugin {
  return {
    name: "build-note",
    apply: "build",
    generateBundle() {
      const note = { sources: sourcesHash(import.meta.dirname) };
      this.emitFile({ type: "asset", fileName: "build.json", source: `${JSON.stringify(note, null, 2)}\n` });
    },
  };
}

export default defineConfig({
  // The server writes the folder that it is reached under before every link of the page.
  base: "./",
  plugins: [svelte(), buildNote()],
  server: { proxy: { "/api": "http://127.0.0.1:9000" } },
  build: {
    outDir: "../src/hooke/server/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
