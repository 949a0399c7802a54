import { expect, test } from "vitest";
import { endsFor, limitsFor, settleEnds } from "../fleet/ends.js";
import type { Rule } from "../lib/api.js";

const NONE = { above: [], below: [] };
const span = (low: number, high: number) => Array.from({ length: 101 }, (_, i) => low + ((high - low) * i) / 100);
const ends = (values: number[], limits = NONE as Parameters<typeof endsFor>[1], unit: string | null = "°C") => {
  const { low, high } = endsFor(values, limits, unit) ?? { low: NaN, high: NaN };
  return [low, high];
};

test("values that hardly differ hardly differ in colour", () => {
  expect(ends(span(4.2, 4.8))).toEqual([0, 10]);
  expect(ends(span(1012.8, 1013.4), NONE, "hPa")).toEqual([1000, 1020]);
  const [low = 0, high = 0] = ends(span(240.1, 240.3), NONE, null);
  expect(high - low).toBeGreaterThan(25);
  expect(ends(span(95, 99), NONE, "%")).toEqual([80, 100]);
  expect(ends([0], NONE, null)).toEqual([0, 1]);
});

test("values that differ fill the colours", () => {
  expect(ends(span(-18, 95))).toEqual([-20, 100]);
  expect(ends(span(3, 98), NONE, "%")).toEqual([0, 100]);
});

test("one wild value does not squash the colours", () => {
  expect(ends([...span(18, 24), ...span(18, 24), 4000])).toEqual([15, 25]);
});

test("a limit is an end, unless it is far off or behind every value", () => {
  expect(endsFor(span(19, 24), { above: [30, 27], below: [] }, "°C")).toEqual({ low: 15, high: 27, isLimit: { low: false, high: true } });
  expect(endsFor(span(4.2, 4.8), { above: [8], below: [2] }, "°C")).toEqual({ low: 2, high: 8, isLimit: { low: true, high: true } });
  expect(ends(span(19, 24), { above: [800], below: [] })).toEqual([15, 25]);
  expect(ends(span(19, 24), { above: [3], below: [] })).toEqual([15, 25]);
});

test("ends stay while the values move within them, grow when they leave, and are given up when they no longer fit", () => {
  const first = endsFor(span(4.2, 4.8), NONE, "°C")!;
  expect(settleEnds(first, endsFor(span(6.1, 6.4), NONE, "°C")!)).toBe(first);
  expect(settleEnds(first, endsFor(span(9, 14), NONE, "°C")!)).toMatchObject({ low: 0, high: 15 });
  expect(settleEnds(endsFor(span(0, 900), NONE, "°C"), first)).toBe(first);
});

test("rules of single devices and of other groups are not the colours'", () => {
  const rule = (more: Partial<Rule>): Rule => ({
    id: "configured/r",
    name: "r",
    severity: "info",
    metric: "t",
    device: null,
    group: null,
    condition: "above",
    threshold: 8,
    for_ms: 0,
    active: 0,
    looks_at: { devices: 0, series: 0, texts: 0 },
    blind: null,
    ...more,
  });
  const limits = limitsFor(
    [
      rule({}),
      rule({ threshold: 1, device: "dev*" }),
      rule({ threshold: 2, group: "site/*" }),
      rule({ threshold: 3, metric: "other" }),
      rule({ condition: "below", threshold: 4, group: "hall*" }),
    ],
    "t",
    "hall.1",
  );
  expect(limits).toEqual({ above: [8], below: [4] });
});
