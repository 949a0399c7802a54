// Where a value lies between the ends of the legend, and its colour.
import type { Ends } from "./ends.js";

export function share(value: number, { low, high }: Pick<Ends, "low" | "high">): number {
  return Math.max(0, Math.min(1, (value - low) / (high - low)));
}

/** `steps` colours between the stops (`rgb(…)` texts), evenly spaced. */
export function rampColours(stops: string[], steps: number): string[] {
  const channels = stops.map((stop) => (stop.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number));
  return Array.from({ length: steps }, (_, i) => {
    const place = (i / (steps - 1)) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(place));
    const mix = (channels[left] as number[]).map((from, k) =>
      Math.round(from + (((channels[left + 1] as number[])[k] as number) - from) * (place - left)),
    );
    return `rgb(${mix.join(",")})`;
  });
}
