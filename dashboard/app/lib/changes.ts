// What a metric of words went through: readings that say the same thing one after the other are one stay.
import type { Scalar } from "../../client/index.js";
import { api } from "./api.js";

/** A value that was read again and again, from its first reading to its last (Unix ms). */
export interface Stay {
  value: Scalar;
  from: number;
  to: number;
}

/** Stays of a stretch of time, oldest first. */
export interface Stays {
  list: Stay[];
  /** The list begins before this one could: older stays are left out, or were not read. */
  isCut: boolean;
}

export const STAYS_MAX = 50;
/** Readings looked through for them: a device that never changes has too many. */
const READINGS_MAX = 20_000;
const PAGE = 1000;
const FIRST_SPAN_MS = 15 * 60_000;

/** Adds a reading that is not older than the newest stay. */
function add(list: Stay[], time: number, value: Scalar): void {
  const last = list[list.length - 1];
  if (last && last.value === value) last.to = time;
  else list.push({ value, from: time, to: time });
}

/** The same as a new list. */
export function stayed(list: readonly Stay[], time: number, value: Scalar): Stay[] {
  const copy = [...list.slice(0, -1), ...list.slice(-1).map((last) => ({ ...last }))];
  add(copy, time, value);
  return copy;
}

/** Joins two lists of which one ends where the other begins. */
export function joined(older: readonly Stay[], newer: readonly Stay[]): Stay[] {
  const [before, after] = [older[older.length - 1], newer[0]];
  if (!before || !after || before.value !== after.value) return [...older, ...newer];
  return [...older.slice(0, -1), { ...after, from: before.from }, ...newer.slice(1)];
}

/** A stay and what it is known by. */
export interface Named extends Stay {
  name: string;
}

/** Names stays, oldest first, by when they began: several may within one millisecond. */
export function named(list: readonly Stay[]): Named[] {
  return list.map((stay, index) => ({ ...stay, name: `${stay.from}.${index - list.findIndex((other) => other.from === stay.from)}` }));
}

type Ask = (from: number, to: number, cursor: string | null) => Promise<{ points: [number, Scalar][]; next: string | null }>;

/** Reads back from `to` in growing steps until there are enough stays. */
export async function readStays(from: number, to: number, ask: Ask): Promise<Stays> {
  let list: Stay[] = [];
  let [end, span, read] = [to, FIRST_SPAN_MS, 0];
  while (end > from && list.length <= STAYS_MAX && read < READINGS_MAX) {
    const start = Math.max(from, end - span);
    const part: Stay[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<Ask>> = await ask(start, end, cursor);
      for (const [time, value] of page.points) add(part, time, value);
      read += page.points.length;
      cursor = page.next;
    } while (cursor !== null);
    list = joined(part, list);
    end = start;
    span *= 4;
  }
  return { list: list.slice(-STAYS_MAX), isCut: list.length > STAYS_MAX || end > from };
}

export const staysOf = (device: string, metric: string, from: number, to: number): Promise<Stays> =>
  readStays(from, to, (start, end, cursor) => api.readings(device, metric, start, end, PAGE, cursor));
