// Where a value lies between the ends of the legend, and its colour.

export interface Ends {
  low: number;
  high: number;
}

const STEPS = [1, 2, 2.5, 5, 10];

/** Ends that hold most values, on round numbers; the wildest hundredth at each side is left to the ends' colours. */
export function niceEnds(values: number[]): Ends | null {
  if (values.length === 0) return null;
  const sorted = values.slice().sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] as number;
  const [low, high] = [at(0.01), at(0.99)];
  const rough = Math.max((high - low) / 4, Math.abs(high) * 0.005) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (STEPS.find((one) => one * power >= rough) ?? 10) * power;
  const ends = { low: Math.floor(low / step) * step, high: Math.ceil(high / step) * step };
  return ends.low === ends.high ? { low: ends.low - step, high: ends.high + step } : ends;
}

/** Keeps `old` while it still serves, so that colours do not flicker with each value. */
export function settleEnds(old: Ends | null, wanted: Ends): Ends {
  if (!old) return wanted;
  const isWide = old.high - old.low > 2 * (wanted.high - wanted.low);
  return wanted.low < old.low || wanted.high > old.high || isWide ? wanted : old;
}

export function share(value: number, ends: Ends): number {
  return Math.max(0, Math.min(1, (value - ends.low) / (ends.high - ends.low)));
}

/** `steps` colours between the stops (`rgb(…)` texts), evenly spaced. */
export function rampColours(stops: string[], steps: number): string[] {
  const channels = stops.map((stop) => (stop.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number));
  return Array.from({ length: steps }, (_, i) => {
    const place = (i / (steps - 1)) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(place));
    const mix = (channels[left] as number[]).map((from, k) => Math.round(from + ((channels[left + 1] as number[])[k]! - from) * (place - left)));
    return `rgb(${mix.join(",")})`;
  });
}
