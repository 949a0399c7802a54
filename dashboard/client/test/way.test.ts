import { expect, test } from "vitest";
import { DeviceWay } from "../way.js";

const BASE = 1_704_700_000_000;
const device = (...times: number[]) => ({
  type: "d",
  d: [1, "e.1", "e.2"] as [number, string, string],
  r: times.map((time, row) => [row, time, 20]),
});

test("the way is that of the newest reading of each delta, and the median of the deltas", () => {
  const way = new DeviceWay();
  expect(way.median()).toBeNull();
  way.take("devices", device(100, 900), BASE, BASE + 1000);
  way.take("devices", device(1950), BASE, BASE + 2000);
  way.take("devices", device(2200), BASE, BASE + 3000);
  expect(way.median()).toBe(100);
});

test("late readings, wrong clocks and views without times say nothing about the way", () => {
  const way = new DeviceWay();
  way.take("device", device(1000), BASE, BASE + 60_000);
  way.take("device", device(60_000), BASE, BASE + 1000);
  way.take("group", { type: "d", d: [1, "e.1", "e.2"], r: [["Building A", "temperature", 1, 1, 20, 20, 20, 900]] }, BASE, BASE + 1000);
  way.take("device", { type: "d", d: [1, "e.1", "e.2"], s: [[1, "late", 5, null]] }, BASE, BASE + 1000);
  expect(way.median()).toBeNull();
});

test("a cell of the fleet tells its time in its last column", () => {
  const way = new DeviceWay();
  way.take(
    "fleet",
    {
      type: "d",
      d: [1, "e.1", "e.2"],
      r: [
        [342, "fresh", null, 20, 980],
        [343, "lost", null, null, null],
      ],
    },
    BASE,
    BASE + 1000,
  );
  expect(way.median()).toBe(20);
  way.forget();
  expect(way.median()).toBeNull();
});
