import { createRoot, createSignal } from "solid-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { atMostEvery } from "../lib/frame.js";
import { titleOf } from "../lib/title.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("each page has a title of its own, the alerts that wait in front", () => {
  expect(titleOf({ page: "fleet", name: "" }, 0)).toBe("Fleet – Tidegate");
  expect(titleOf({ page: "fleet", name: "site/a" }, 0)).toBe("site · a – Tidegate");
  expect(titleOf({ page: "device", name: "site/a/dev1" }, 2)).toBe("(2) dev1 – Tidegate");
  expect(titleOf({ page: "status", name: "" }, 0)).toBe("Status – Tidegate");
});

test("what is spoken changes at most once in its time, and ends at the newest", () => {
  const [word, setWord] = createSignal("live");
  const [spoken, dispose] = createRoot((end) => [atMostEvery(word, 5000), end]);
  const heard: string[] = [];
  for (let i = 0; i < 20; i++) {
    setWord(i % 2 === 0 ? "slowed" : "live");
    vi.advanceTimersByTime(500);
    if (heard[heard.length - 1] !== spoken()) heard.push(spoken());
  }
  setWord("offline");
  vi.advanceTimersByTime(5000);
  expect(heard.length).toBeLessThanOrEqual(3);
  expect(spoken()).toBe("offline");
  dispose();
});
