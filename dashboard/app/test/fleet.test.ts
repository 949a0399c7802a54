import { expect, test } from "vitest";
import type { FleetCell, State } from "../../client/index.js";
import { chunks } from "../chart/data.js";
import { figuresOf, hasBelow, homeOf, withoutThoseBelow } from "../lib/groups.js";
import { sortHits } from "../lib/hits.js";
import { offered } from "../lib/units.js";

test("every metric can be chosen: those of most devices in front, switches and words behind", () => {
  const figures = [
    ["humidity", { devices: 3 }],
    ["temperature", { devices: 9 }],
    ["gone", { devices: 0 }],
  ] as const;
  expect(offered(figures, ["door_open", "humidity"])).toEqual(["temperature", "humidity", "door_open"]);
});

test("more series than one subscription takes go into several, none is left out", () => {
  const all = Array.from({ length: 70 }, (_, i) => i);
  expect(chunks(all, 32).map((part) => part.length)).toEqual([32, 32, 6]);
  expect(chunks(all, 32).flat()).toEqual(all);
  expect(chunks([], 32)).toEqual([]);
});

test("what is called just so comes first, then what begins so, in natural order", () => {
  const hit = (name: string) => ({ id: name, name, where: "a", address: "/" });
  const found = ["dev10", "my-dev1", "dev1", "dev12", "dev2"].map(hit);
  expect(sortHits(found, "DEV1").map((one) => one.name)).toEqual(["dev1", "dev10", "dev12", "my-dev1", "dev2"]);
});

test("a device that its group has no row for shows in the nearest group above that has one", () => {
  const known = new Set(["", "a", "a/b"]);
  expect(["a/b", "a/b/c/d/e/f/g/h/i/j", "a/x", "z", ""].map((path) => homeOf(path, known))).toEqual(["a/b", "a/b", "a", "", ""]);
});

test("a group's own row has the figures of its own devices, and says whose the extremes are", () => {
  const cell = (id: string, value: FleetCell["value"], state: State = "fresh"): FleetCell => ({
    row: 0,
    id,
    group: "a",
    name: null,
    state,
    heard: 1,
    alert: null,
    value,
    time: 7,
  });
  const own = figuresOf([
    cell("x", 20),
    cell("y", 62.2),
    cell("gone", 99, "lost"),
    cell("sleeper", 21.8, "asleep"),
    cell("door", true),
    cell("new", null),
  ]);
  expect(own).toEqual({
    count: 3,
    devices: 4,
    mean: expect.closeTo(34.667, 3),
    lowest: 20,
    highest: 62.2,
    oldest: 7,
    lowestOf: "x",
    highestOf: "y",
  });
  expect(figuresOf([cell("late", 1, "late")])).toMatchObject({ count: 0, devices: 1, mean: null, highestOf: null });
  expect([hasBelow("", ["", "a"]), hasBelow("a", ["", "a", "ab"]), hasBelow("a", ["a", "a/b"])]).toEqual([true, false, true]);
});

test("of the devices in alert and in each state a group's own row counts its own", () => {
  const counts = { critical: 3, warning: 2, info: 0 };
  expect(
    withoutThoseBelow(counts, [
      { critical: 1, warning: 2, info: 0 },
      { critical: 1, warning: 0, info: 0 },
    ]),
  ).toEqual({ critical: 1, warning: 0, info: 0 });
  expect(withoutThoseBelow(counts, [])).toEqual(counts);
});
