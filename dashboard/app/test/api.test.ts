import { afterEach, expect, test, vi } from "vitest";
import { api } from "../lib/api.js";

afterEach(() => void vi.unstubAllGlobals());

test("an acknowledgement that failed does not say that the page keeps trying: it does not", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(api.acknowledge("a-1", "")).rejects.toThrow(/^The server does not answer\. Check that it runs\.$/);
});
