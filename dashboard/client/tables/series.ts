import type { Delta, Snapshot, WireSeam } from "../protocol.js";
import type { Change, Table } from "./table.js";

export interface Bucket {
  /** Unix ms. */
  start: number;
  count: number;
  mean: number;
  lowest: number;
  highest: number;
  last: number;
  /** A reading came into it after newer ones had been shown. */
  late: boolean;
}

/** Where a line goes on in another history than the server's own. */
export interface Seam {
  /** Unix ms; what is older is of `older`. */
  at: number;
  older: string;
  /** Why the older part is not there. */
  missing: string | null;
}

type WireBucket = [index: number, start: number, count: number, mean: number, lowest: number, highest: number, last: number];

/** View `series`: buckets of each series, oldest first. History and live are the same buckets. */
export class SeriesTable implements Table<number> {
  /** By index in the view's `series`. */
  readonly lines: Bucket[][] = [];
  /** Width of a bucket; 0 before the first part. */
  rung_ms = 0;
  /** By index; none where all of a line is the server's own. */
  readonly seams: (Seam | undefined)[] = [];

  load(part: Snapshot): void {
    this.meet(part.seams);
    if (part.rung_ms !== undefined) this.rung_ms = part.rung_ms;
    for (const row of part.rows as WireBucket[]) this.put(row, false);
  }

  apply(delta: Delta): Change<number> {
    this.meet(delta.h);
    const keys = new Set<number>();
    const newest = this.lines.map((line) => line[line.length - 1]?.start ?? -Infinity);
    for (const [index, start] of (delta.x ?? []) as [index: number, start: number][]) {
      const line = this.lines[index] ?? [];
      const at = place(line, start);
      if (line[at]?.start === start) line.splice(at, 1);
      keys.add(index);
    }
    for (const row of (delta.r ?? []) as WireBucket[]) {
      this.put(row, row[1] < (newest[row[0]] ?? -Infinity));
      keys.add(row[0]);
    }
    for (const [index] of delta.h ?? []) keys.add(index);
    return { structure: false, keys: [...keys] };
  }

  /** Drops what ended before `time` (Unix ms): a window that follows the clock would else grow for ever. */
  trim(time: number): void {
    for (const line of this.lines) {
      const kept = line.findIndex((bucket) => bucket.start + this.rung_ms > time);
      if (kept > 0) line.splice(0, kept);
    }
  }

  private meet(seams: WireSeam[] = []): void {
    for (const [index, at, older, missing] of seams) this.seams[index] = { at, older, missing };
  }

  private put([index, start, count, mean, lowest, highest, last]: WireBucket, isLate: boolean): void {
    while (this.lines.length <= index) this.lines.push([]);
    const line = this.lines[index] as Bucket[];
    const at = place(line, start);
    const late = isLate || (line[at]?.start === start && (line[at]?.late ?? false));
    const bucket = { start, count, mean, lowest, highest, last, late };
    if (line[at]?.start === start) line[at] = bucket;
    else line.splice(at, 0, bucket);
  }
}

/** Index of the first bucket that starts at or after `start`. Mostly the end, so it looks there first. */
function place(line: Bucket[], start: number): number {
  const newest = line[line.length - 1];
  if (!newest || newest.start < start) return line.length;
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line[middle] as Bucket).start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
