import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import solid from "vite-plugin-solid";

const KINDS = /\.(html|js|css|svg|json|webmanifest)$/;

/** Every file of text is there compressed too, beside it: the program sends what a browser takes, and compresses nothing. */
function compressed(): Plugin {
  let folder = "dist";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => void (folder = config.build.outDir),
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => KINDS.test(name))) {
        const file = join(folder, name);
        const bytes = readFileSync(file);
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
      }
    },
  };
}

export default defineConfig({
  plugins: [solid(), compressed()],
  build: {
    target: "es2022",
    // The policy allows `script-src 'self'` and nothing inline, so assets stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": { target: process.env.TIDEGATE ?? "http://127.0.0.1:8080", ws: true } } },
  test: { include: ["client/test/**/*.test.ts", "app/test/**/*.test.ts"], environment: "node", css: true },
});
