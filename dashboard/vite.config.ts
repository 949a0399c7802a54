import { defineConfig } from "vitest/config";
import solid from "vite-plugin-solid";

export default defineConfig({
  plugins: [solid()],
  build: {
    target: "es2022",
    // The policy allows `script-src 'self'` and nothing inline, so assets stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": { target: process.env.TIDEGATE ?? "http://127.0.0.1:8080", ws: true } } },
  test: { include: ["client/test/**/*.test.ts", "app/test/**/*.test.ts"], environment: "node", css: true },
});
