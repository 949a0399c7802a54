import type { Delta, ViewSpec } from "./protocol.js";

/** Beyond this a reading was late, or its clock is wrong: it says nothing about the way. */
const PLAUSIBLE_MS = 10_000;
const SAMPLES = 31;
/** Where the reading's time is in a changed row. */
const TIME_AT: Partial<Record<ViewSpec["kind"], number>> = { device: 1, devices: 1, fleet: 4 };

/** How long readings take from the device's measurement to here: the newest of each delta, the median of the last ones. */
export class DeviceWay {
  private samples: number[] = [];

  /** `now` is by the server's clock, Unix ms. */
  take(kind: ViewSpec["kind"], delta: Delta, time_base: number, now: number): void {
    const at = TIME_AT[kind];
    if (at === undefined || !delta.r) return;
    let newest = -Infinity;
    for (const row of delta.r as unknown[][]) if (typeof row[at] === "number" && row[at] > newest) newest = row[at];
    const way = now - time_base - newest;
    if (way < -PLAUSIBLE_MS || way > PLAUSIBLE_MS) return;
    this.samples = [...this.samples.slice(1 - SAMPLES), Math.max(0, way)];
  }

  /** Median, ms; `null` before the first. */
  median(): number | null {
    const sorted = this.samples.slice().sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }

  forget(): void {
    this.samples = [];
  }
}
