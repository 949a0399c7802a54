import { describe, expect, it } from "vitest";
import { joined, named, readStays, stayed, STAYS_MAX, type Stay } from "../lib/changes.js";

type Reading = [number, string];
const MINUTE = 60_000;

/** Answers as the server does: ascending, `to` left out, in pages. */
function history(readings: Reading[], page: number) {
  let asked = 0;
  const ask = async (from: number, to: number, cursor: string | null) => {
    asked++;
    const rest = readings.filter(([time]) => time >= (cursor === null ? from : Number(cursor)) && time < to);
    return { points: rest.slice(0, page), next: rest.length > page ? String(rest[page]?.[0]) : null };
  };
  return { ask, asked: () => asked };
}

/** One after the other, without a shortcut. */
function plainly(readings: Reading[]): Stay[] {
  return readings.reduce<Stay[]>((list, [time, value]) => stayed(list, time, value), []);
}

describe("stays", () => {
  it("join what says the same over pages and stretches", async () => {
    const words = ["idle", "idle", "running", "running", "running", "stuck"];
    const readings = Array.from({ length: 400 }, (_, i): Reading => [i * MINUTE, words[Math.floor(i / 25) % words.length] as string]);
    const to = 400 * MINUTE;
    for (const page of [1, 7, 1000]) {
      const { ask } = history(readings, page);
      expect(await readStays(0, to, ask)).toEqual({ list: plainly(readings), isCut: false });
    }
  });

  it("of one millisecond are told apart, whatever comes after them", () => {
    const list = plainly([
      [5, "on"],
      [7, "on"],
      [7, "off"],
      [7, "on"],
      [7, "off"],
      [9, "on"],
    ]);
    const names = named(list).map(({ name }) => name);
    expect(names).toEqual(["5.0", "7.0", "7.1", "7.2", "9.0"]);
    expect(
      named(stayed(list, 10, "off"))
        .slice(0, -1)
        .map(({ name }) => name),
    ).toEqual(names);
  });

  it("are the newest when there are too many, and say that others were left out", async () => {
    const readings = Array.from({ length: 500 }, (_, i): Reading => [i * MINUTE, i % 2 ? "on" : "off"]);
    const { ask } = history(readings, 1000);
    const { list, isCut } = await readStays(0, 500 * MINUTE, ask);
    expect([list.length, isCut]).toEqual([STAYS_MAX, true]);
    expect(list).toEqual(plainly(readings).slice(-STAYS_MAX));
  });

  it("of a device that never changes are not looked for through all of its past", async () => {
    const readings = Array.from({ length: 200_000 }, (_, i): Reading => [i * 5000, "auto"]);
    const { ask, asked } = history(readings, 1000);
    const { list, isCut } = await readStays(0, 1e9, ask);
    expect([list.length, isCut]).toEqual([1, true]);
    expect(asked()).toBeLessThan(150);
  });

  it("of nothing are none", async () => {
    expect(await readStays(0, 30 * 86_400_000, history([], 1000).ask)).toEqual({ list: [], isCut: false });
    expect(joined([], [])).toEqual([]);
  });
});
