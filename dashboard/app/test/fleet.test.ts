import { expect, test } from "vitest";
import { chunks } from "../chart/data.js";
import { sortHits } from "../lib/hits.js";
import { offered } from "../lib/units.js";

test("every metric can be chosen: those of most devices in front, switches and words behind", () => {
  const figures = [["humidity", { devices: 3 }], ["temperature", { devices: 9 }], ["gone", { devices: 0 }]] as const;
  expect(offered(figures, ["door_open", "humidity"])).toEqual(["temperature", "humidity", "door_open"]);
});

test("more series than one subscription takes go into several, none is left out", () => {
  const all = Array.from({ length: 70 }, (_, i) => i);
  expect(chunks(all, 32).map((part) => part.length)).toEqual([32, 32, 6]);
  expect(chunks(all, 32).flat()).toEqual(all);
  expect(chunks([], 32)).toEqual([]);
});

test("what is called just so comes first, then what begins so, in natural order", () => {
  const hit = (name: string) => ({ name, where: "a", address: "/" });
  const found = ["dev10", "my-dev1", "dev1", "dev12", "dev2"].map(hit);
  expect(sortHits(found, "DEV1").map((one) => one.name)).toEqual(["dev1", "dev10", "dev12", "my-dev1", "dev2"]);
});
