import { expect, test } from "vitest";
import {
  dayName,
  dayNamed,
  dayOf,
  hasNext,
  rangeQuery,
  readRange,
  stepped,
  stretchBefore,
  weekBefore,
  yesterday,
  zoomed,
} from "../chart/windows.js";

const HOUR = 3_600_000;
const NOON = new Date(2026, 10, 28, 12).getTime();
const at = (month: number, day: number, hour = 0) => new Date(2026, month - 1, day, hour).getTime();

test("the address says a window that follows the clock or a stretch, and reads as it was written", () => {
  for (const range of [{ last: 6 * HOUR }, { from: NOON - HOUR, to: NOON }]) {
    const query = new URLSearchParams(Object.entries(rangeQuery(range)).filter((entry): entry is [string, string] => entry[1] !== null));
    expect(readRange(query)).toEqual(range);
  }
  expect(readRange(new URLSearchParams("from=9&to=3&window=never"))).toEqual({ last: 900_000 });
});

test("one window back and forth; beyond the present is the window that follows the clock", () => {
  const back = stepped({ last: 6 * HOUR }, -1, NOON);
  expect(back).toEqual({ from: NOON - 12 * HOUR, to: NOON - 6 * HOUR });
  expect(hasNext(back, NOON)).toBe(true);
  expect(stepped(back, 1, NOON)).toEqual({ last: 6 * HOUR });
  expect(hasNext({ last: 6 * HOUR }, NOON)).toBe(false);
  expect(stepped({ from: NOON - 3000, to: NOON - 1000 }, 1, NOON)).toEqual({ from: NOON - 2000, to: NOON });
});

test("zooming halves a stretch or doubles it, goes from window to window where it follows the clock, and ends at the present", () => {
  const stretch = { from: NOON - 3 * HOUR, to: NOON - HOUR };
  expect(zoomed(stretch, "in", NOON)).toEqual({ from: NOON - 2.5 * HOUR, to: NOON - 1.5 * HOUR });
  expect(zoomed(stretch, "out", NOON)).toEqual({ from: NOON - 4 * HOUR, to: NOON });
  expect(zoomed({ last: 6 * HOUR }, "in", NOON)).toEqual({ last: HOUR });
  expect(zoomed({ last: 6 * HOUR }, "out", NOON)).toEqual({ last: 24 * HOUR });
  expect(zoomed({ last: HOUR / 4 }, "in", NOON)).toEqual({ from: NOON - HOUR / 8, to: NOON });
  expect(zoomed({ from: NOON - 1000, to: NOON }, "in", NOON)).toEqual({ from: NOON - 1000, to: NOON });
});

test("a day is one of the reader's calendar, also where the clocks change", () => {
  expect(yesterday(NOON)).toEqual({ from: at(11, 27), to: at(11, 28) });
  expect(stepped(yesterday(NOON), -1, NOON)).toEqual({ from: at(11, 26), to: at(11, 27) });
  expect(dayNamed("2026-10-25")).toEqual(dayOf(at(10, 25, 17)));
  expect(stepped(dayOf(at(10, 25)), 1, NOON)).toEqual({ from: at(10, 26), to: at(10, 27) });
  expect(dayName(at(3, 7, 23))).toBe("2026-03-07");
  expect(dayNamed("")).toBeNull();
});

test("a week before is at the same hour of the clock", () => {
  const earlier = (time: number) => new Date(time - weekBefore(time));
  for (const day of [at(11, 28, 15), at(10, 26, 15), at(3, 30, 15)]) expect(earlier(day).getHours()).toBe(15);
  expect(stretchBefore({ from: at(11, 27), to: at(11, 28) }, NOON)).toEqual({ from: at(11, 20), to: at(11, 21) });
});

test("a week before a window that follows the clock is asked for ahead, and not each second", () => {
  const asked = new Set(Array.from({ length: 600 }, (_, s) => JSON.stringify(stretchBefore({ last: HOUR }, NOON + s * 1000))));
  expect(asked.size).toBeLessThanOrEqual(3);
  for (let s = 0; s < 600; s++) {
    const now = NOON + s * 1000;
    const { from, to } = stretchBefore({ last: HOUR }, now);
    expect(from).toBeLessThanOrEqual(now - weekBefore(now) - HOUR);
    expect(to).toBeGreaterThanOrEqual(now - weekBefore(now));
  }
});
