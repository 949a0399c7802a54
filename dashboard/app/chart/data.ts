import type { Bucket } from "../../client/index.js";

/** Columns as the chart takes them: seconds, mean, lowest, highest. A `null` row breaks the line. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[]];

/** A gap is a space much longer than the usual one between two buckets: nothing is drawn across it. */
const GAP_FACTOR = 3;

export function toColumns(line: readonly Bucket[], rung_ms: number): Columns {
  const columns: Columns = [[], [], [], []];
  const widest = GAP_FACTOR * Math.max(rung_ms, usualStep(line));
  let before: number | null = null;
  for (const { start, mean, lowest, highest } of line) {
    if (before !== null && start - before > widest) push(columns, before + rung_ms, null, null, null);
    push(columns, start, mean, lowest, highest);
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
  const steps = line.slice(1).map((bucket, i) => bucket.start - (line[i] as Bucket).start).sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 0;
}

/** Indices of values with nothing on either side. */
export function isolated(means: readonly (number | null)[]): number[] {
  const isThere = (i: number): boolean => typeof means[i] === "number";
  return means.flatMap((_, i) => (isThere(i) && !isThere(i - 1) && !isThere(i + 1) ? [i] : []));
}

/** The list in pieces of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
