import type { PaceReason } from "./protocol.js";

export type Phase = "connecting" | "live" | "slowed" | "paused" | "stale" | "offline";

/** How the connection is, for people. */
export interface Status {
  phase: Phase;
  /** Why updates are held back, as the server said. */
  reason: PaceReason | null;
  /** Deltas a second while slowed. */
  rate: number | null;
  /** Unix ms (this machine's clock) of the newest frame. */
  heard: number | null;
  /** Half a round trip, ms. */
  way_ms: number | null;
  /** From a device's measurement to here, ms, by the devices' clocks; `null` while no reading came. */
  device_way_ms: number | null;
  bytes_per_second: number;
  /** Unix ms of the next attempt while offline. */
  retry_at: number | null;
  /** What the server said when it closed or refused. */
  message: string | null;
}

/** How often the server gives a sign of life, ms. */
export interface Pulses {
  shown: number;
  paused: number;
}

/** Until the server says how often. */
export const PULSES: Pulses = { shown: 5_000, paused: 30_000 };

/** A page is stale after this long without any frame, ms (docs/protocol.md, Liveness): 12 s, and 40 s while it is paused. */
export function staleAfter(pulses: Pulses, isPaused: boolean): number {
  return isPaused ? pulses.paused + 10_000 : 2 * pulses.shown + 2_000;
}

/** The connection is dead after this long without any frame, ms: 60 s. */
export function deadAfter(pulses: Pulses): number {
  return 2 * pulses.paused;
}

const WINDOW_MS = 5_000;

/** Bytes a second over the last 5 s. */
export class ByteRate {
  private readonly seen: [time: number, bytes: number][] = [];

  add(now: number, bytes: number): void {
    this.seen.push([now, bytes]);
  }

  at(now: number): number {
    while (this.seen[0] && this.seen[0][0] < now - WINDOW_MS) this.seen.shift();
    return this.seen.reduce((sum, [, bytes]) => sum + bytes, 0) / (WINDOW_MS / 1000);
  }
}
