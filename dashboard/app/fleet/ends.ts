// What the two ends of the colours mean: limits of rules, else round numbers far enough apart that little is little.
import type { Rule } from "../lib/api.js";

export interface Ends {
  low: number;
  high: number;
  /** The end is where a rule raises an alert. */
  isLimit: { low: boolean; high: boolean };
}

/** By unit, the least that the colours span: less of a difference is not worth another colour. */
const LEAST_SPAN: Record<string, number> = {
  "°C": 10,
  K: 10,
  "°F": 20,
  "%": 20,
  hPa: 20,
  Pa: 2000,
  bar: 1,
  V: 1,
  mV: 500,
  ppm: 400,
  ppb: 100,
  dBm: 40,
  dB: 20,
  W: 100,
  lx: 200,
  "µg/m³": 20,
};
/** Of a unit that is not known, by the size of the values. */
const LEAST_SHARE = 0.25;
/** A limit further away than so many spans is about something else. */
const FAR = 1.5;
/** Ends that are so many times wider than what is wanted are given up. */
const TOO_WIDE = 4;
/** The wildest at each side is left to the ends' colours. */
const WILD = 0.01;

const STEPS = [1, 2, 2.5, 5, 10];

/** The round number at or above `rough`. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (STEPS.find((one) => one * power >= rough * (1 - 1e-9)) ?? 10) * power;
}

/** Thresholds of a metric. */
export interface Limits {
  above: readonly number[];
  below: readonly number[];
}

/** `*` stands for any text, `?` for any character. */
function fits(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`).test(text);
}

/** Thresholds for whole groups; those for single devices say nothing of the others. */
export function limitsFor(rules: readonly Rule[], metric: string, group: string): Limits {
  const meant = rules.filter((rule) => rule.metric === metric && rule.device === null && (rule.group === null || fits(rule.group, group)));
  const of = (condition: Rule["condition"]): number[] =>
    meant.flatMap((rule) => (rule.condition === condition && rule.threshold !== undefined ? [rule.threshold] : []));
  return { above: of("above"), below: of("below") };
}

/** Ends for these values; `null` without any. */
export function endsFor(values: readonly number[], limits: Limits, unit: string | null): Ends | null {
  if (values.length === 0) return null;
  const sorted = values.slice().sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] as number;
  const [lowest, highest] = [at(WILD), at(1 - WILD)];
  const size = Math.max(Math.abs(lowest), Math.abs(highest));
  const least = LEAST_SPAN[unit ?? ""] ?? roundStep(size * LEAST_SHARE || 1);
  const reach = FAR * Math.max(highest - lowest, least);
  const above = limits.above.filter((limit) => limit > lowest && limit - highest < reach);
  const below = limits.below.filter((limit) => limit < highest && lowest - limit < reach);
  const top = above.length > 0 ? Math.min(...above) : null;
  const bottom = below.length > 0 ? Math.max(...below) : null;
  // What is never negative has no colour for it, nor a percentage for more than all.
  const floor = lowest >= 0 ? 0 : -Infinity;
  const ceiling = unit === "%" && highest <= 100 ? 100 : Infinity;
  return widened({ lowest, highest, bottom, top, least, floor, ceiling });
}

interface Wish {
  lowest: number;
  highest: number;
  bottom: number | null;
  top: number | null;
  least: number;
  floor: number;
  ceiling: number;
}

/** Round ends around the values, at least `least` apart; a limit stays where it is. */
function widened({ lowest, highest, bottom, top, least, floor, ceiling }: Wish): Ends {
  const grid = Math.max(least / 2, roundStep((highest - lowest) / 8 || least / 2));
  let low = bottom ?? Math.floor(lowest / grid) * grid;
  let high = top ?? Math.ceil(highest / grid) * grid;
  const middle = (lowest + highest) / 2;
  const canSink = (): boolean => bottom === null && low - grid >= floor;
  const canRise = (): boolean => top === null && high + grid <= ceiling;
  while (high - low < least * (1 - 1e-9) && (canSink() || canRise())) {
    if (canSink() && (!canRise() || middle - low < high - middle)) low -= grid;
    else high += grid;
  }
  if (high <= low) high = low + least;
  return { low, high, isLimit: { low: bottom !== null, high: top !== null } };
}

/** Keeps `old` while it serves, so that a colour means the same from one minute to the next. */
export function settleEnds(old: Ends | null, wanted: Ends): Ends {
  if (!old || old.high - old.low > TOO_WIDE * (wanted.high - wanted.low)) return wanted;
  if (wanted.low >= old.low && wanted.high <= old.high) return old;
  const [low, high] = [wanted.low < old.low ? wanted : old, wanted.high > old.high ? wanted : old];
  return { low: low.low, high: high.high, isLimit: { low: low.isLimit.low, high: high.isLimit.high } };
}
