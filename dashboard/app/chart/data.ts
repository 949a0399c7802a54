// Lines of a chart as columns of numbers. Pure.
import type { Bucket } from "../../client/index.js";

/** Columns as the chart takes them: seconds, mean, lowest, highest. A `null` row breaks the line. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[]];

export const EMPTY: Columns = [[], [], [], []];

/** A gap is a space much longer than the usual one between two buckets: nothing is drawn across it. */
const GAP_FACTOR = 3;

/** Columns of a line; `shift_ms` moves it, so that what was earlier stands beside what is now. */
export function toColumns(line: readonly Bucket[], rung_ms: number, shift_ms = 0): Columns {
  const columns: Columns = [[], [], [], []];
  const widest = GAP_FACTOR * Math.max(rung_ms, usualStep(line));
  let before: number | null = null;
  for (const { start, mean, lowest, highest } of line) {
    if (before !== null && start - before > widest) push(columns, before + rung_ms + shift_ms, null, null, null);
    push(columns, start + shift_ms, mean, lowest, highest);
    before = start;
  }
  return columns;
}

function push(columns: Columns, time: number, mean: number | null, lowest: number | null, highest: number | null): void {
  columns[0].push(time / 1000);
  columns[1].push(mean);
  columns[2].push(lowest);
  columns[3].push(highest);
}

/** Time in seconds and mean of what arrived late. */
export function latePoints(line: readonly Bucket[]): [number, number][] {
  return line.filter((bucket) => bucket.late).map((bucket) => [bucket.start / 1000, bucket.mean]);
}

/** Median of the steps between buckets, ms. */
function usualStep(line: readonly Bucket[]): number {
  return median(line.slice(1).map((bucket, i) => bucket.start - (line[i] as Bucket).start));
}

function median(list: number[]): number {
  return list.sort((a, b) => a - b)[list.length >> 1] ?? 0;
}

/** A value, no value (`null`), or none of this line's times (`undefined`). */
type Aligned = number | null | undefined;

/** Indices of values with nothing on either side. */
export function isolated(means: readonly Aligned[]): number[] {
  const own = means.flatMap((mean, i) => (mean === undefined ? [] : [i]));
  const isThere = (at: number): boolean => typeof means[own[at] ?? -1] === "number";
  return own.filter((_, at) => isThere(at) && !isThere(at - 1) && !isThere(at + 1));
}

/** Several lines over one row of times: the first with its lowest and highest, the others with their means. */
export function aligned(lines: readonly Columns[]): [number[], ...Aligned[][]] {
  const [first = EMPTY, ...others] = lines;
  if (others.length === 0) return first;
  const times = [...new Set(lines.flatMap((line) => line[0]))].sort((a, b) => a - b);
  const places = new Map(times.map((time, i) => [time, i]));
  const spread = (own: readonly number[], values: readonly (number | null)[]): Aligned[] => {
    const column = new Array<Aligned>(times.length).fill(undefined);
    own.forEach((time, i) => (column[places.get(time) as number] = values[i]));
    return column;
  };
  return [times, ...first.slice(1).map((values) => spread(first[0], values)), ...others.map((line) => spread(line[0], line[1]))];
}

/** Index of the value nearest to `at` among a line's own; `null` where the nearest is a gap. */
export function nearestOf(times: readonly number[], values: readonly Aligned[], time: number, at: number): number | null {
  let [left, right] = [at, at + 1];
  while (left >= 0 && values[left] === undefined) left--;
  while (right < values.length && values[right] === undefined) right++;
  const distance = (index: number): number => (index < 0 || index >= values.length ? Infinity : Math.abs((times[index] as number) - time));
  const nearest = distance(left) <= distance(right) ? left : right;
  return typeof values[nearest] === "number" ? nearest : null;
}

/** Index of the value of a line at `time`, seconds; `null` where it has none within `reach` seconds. */
export function indexAt([times, means]: Columns, time: number, reach: number): number | null {
  const after = times.findIndex((one) => one >= time);
  const index = nearestOf(times, means, time, (after < 0 ? times.length : after) - 1);
  return index !== null && Math.abs((times[index] as number) - time) <= reach ? index : null;
}

/** The list in pieces of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
