import { expect, test } from "vitest";
import type { FleetCell } from "../../client/index.js";
import { matches } from "../fleet/matches.js";
import { readSort, sorted, sortText } from "../fleet/sorting.js";

const cell = (id: string, more: Partial<FleetCell> = {}): FleetCell => ({
  row: 0,
  id,
  group: "",
  state: "fresh",
  heard: null,
  alert: null,
  value: null,
  time: null,
  name: null,
  ...more,
});
const names = (cells: FleetCell[], by: string) =>
  sorted(cells, readSort(by))
    .map(({ id }) => id)
    .join(" ");

test("rows are in any order, and what is not known is last both ways", () => {
  const cells = [
    cell("dev10", { value: 3, time: 5, heard: 5 }),
    cell("dev2", { value: 20, alert: "warning", heard: 9 }),
    cell("dev1", { state: "lost", alert: "critical" }),
  ];
  expect(names(cells, "name")).toBe("dev1 dev2 dev10");
  expect(names(cells, "-name")).toBe("dev10 dev2 dev1");
  expect(names(cells, "value")).toBe("dev10 dev2 dev1");
  expect(names(cells, "-value")).toBe("dev2 dev10 dev1");
  expect(names(cells, "-alert")).toBe("dev1 dev2 dev10");
  expect(names(cells, "-state")).toBe("dev1 dev2 dev10");
  expect(names(cells, "time")).toBe("dev10 dev1 dev2");
  expect(names(cells, "-heard")).toBe("dev2 dev10 dev1");
});

test("the address says the order, but for the usual one", () => {
  for (const text of ["-name", "value", "-alert"]) expect(sortText(readSort(text))).toBe(text);
  expect(sortText(readSort(null))).toBeNull();
  expect(readSort("nonsense")).toEqual({ by: "name", isDown: false });
});

test("in alert is asked for like a state, and together with a name", () => {
  const one = cell("site/Dev7", { alert: "info" });
  expect([matches(one, "alert", "dev"), matches(one, "lost", ""), matches(one, "fresh", "other"), matches(cell("x"), "alert", "")]).toEqual(
    [true, false, false, false],
  );
});
