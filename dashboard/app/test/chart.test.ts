import { expect, test } from "vitest";
import { aligned, indexAt, isolated, nearestOf, toColumns, type Columns } from "../chart/data.js";
import { moved } from "../chart/gestures.js";
import { inkOf } from "../chart/ink.js";
import { labelsOf } from "../chart/scale.js";

const line = (times: number[], means: (number | null)[]): Columns => [times, means, means, means];
const bucket = (start: number) => ({ start, count: 1, mean: start, lowest: start, highest: start, last: start, late: false });

test("lines with other times stand over one row of times; a gap stays one and an absent time is none", () => {
  const rows = aligned([line([1, 3], [10, 30]), line([2, 3, 4], [5, null, 7])]);
  expect(rows).toEqual([
    [1, 2, 3, 4],
    [10, undefined, 30, undefined],
    [10, undefined, 30, undefined],
    [10, undefined, 30, undefined],
    [undefined, 5, null, 7],
  ]);
  expect(isolated(rows[4] as number[])).toEqual([1, 3]);
  expect(isolated(rows[1] as number[])).toEqual([]);
});

test("each line of the scale has a number of its own, however small or large they are", () => {
  expect(labelsOf([0, 0.5, 1])).toEqual(["0.0", "0.5", "1.0"]);
  expect(labelsOf([0.025, 0.05])).toEqual(["0.025", "0.050"]);
  for (const splits of [
    [1.2e-8, 1.4e-8, 1.6e-8],
    [0, 2e-5, 4e-5],
    [0, 5e299, 1e300],
    [20.00001, 20.00002],
  ])
    expect(new Set(labelsOf(splits)).size, String(splits)).toBe(splits.length);
});

test("what a line says is the nearest of its own values, and nothing within a gap or out of reach", () => {
  const [times, , , , other = []] = aligned([line([1, 3], [10, 30]), line([2, 3, 4], [5, null, 7])]);
  expect(nearestOf(times, other, 1.2, 0)).toBe(1);
  expect(nearestOf(times, other, 3, 2)).toBeNull();
  expect(indexAt(line([10, 20], [1, 2]), 16, 5)).toBe(1);
  expect(indexAt(line([10, 20], [1, 2]), 60, 5)).toBeNull();
  expect(indexAt(line([], []), 60, 5)).toBeNull();
});

test("what was a week earlier is moved beside what is now", () => {
  expect(toColumns([bucket(1000), bucket(2000)], 1000, 500_000)[0]).toEqual([501, 502]);
});

test("what is under the fingers stays under them", () => {
  const start = { from: 0, to: 100_000 };
  expect(moved(start, { middle: 0.5, apart: 0 }, { middle: 0.75, apart: 0 })).toEqual({ from: -25_000, to: 75_000 });
  expect(moved(start, { middle: 0.5, apart: 0.25 }, { middle: 0.5, apart: 0.5 })).toEqual({ from: 25_000, to: 75_000 });
  const least = moved(start, { middle: 0.5, apart: 0.001 }, { middle: 0.5, apart: 1 });
  expect(least.to - least.from).toBe(1000);
});

test("thirty-two lines are told apart", () => {
  const inks = Array.from({ length: 32 }, (_, number) => JSON.stringify(inkOf(number, "beside")));
  expect(new Set(inks).size).toBe(32);
});
