// Units and decimals by metric: learnt from every device that is looked at, asked for only when none was.
import { createStore } from "solid-js/store";
import type { Metric, Scalar } from "../../client/index.js";
import { api } from "./api.js";
import type { SwitchWords } from "./format.js";

export interface Unit {
  unit: string | null;
  decimals: number | null;
  /** Nobody said the unit: the name suggests it. */
  guessed?: boolean;
  /** Words for `false` and `true`. */
  words?: SwitchWords;
}

/**
 * What a value can be in the unit that its name suggests (last part of the name, as the server takes it). A value beyond
 * it has another unit than its name says: millivolts, pascals, hundredths.
 */
const PLAUSIBLE: readonly [names: RegExp, unit: string, fits: (value: number) => boolean][] = [
  [/^battery(_level|_percent)?$/, "%", (value) => value >= 0 && value <= 100 && !isVolts(value)],
  [/^((relative_)?humidity|(soil_)?moisture)$/, "%", (value) => value >= 0 && value <= 105],
  [/^(battery_)?voltage$/, "V", (value) => Math.abs(value) < 1000],
  [/^(temp|temperature|dew_?point)$/, "°C", (value) => value >= -273.15 && value < 3000],
  [/^(pressure|barometer)$/, "hPa", (value) => Math.abs(value) < 20_000],
];

/** A battery that says 3.3 tells its voltage; one that is nearly empty says 3. */
const isVolts = (value: number): boolean => value > 0 && value < 5 && !Number.isInteger(value);

const UNKNOWN: Unit = { unit: null, decimals: null };
const SAMPLE = 50;
const [units, setUnits] = createStore<Record<string, Unit>>({});
const asked = new Set<string>();

/** Names are the devices': with a prefix, `__proto__` and `constructor` are names like any other. */
const keyOf = (metric: string): string => `=${metric}`;

/** How to show a value: words and switches have no unit, nor has a number that cannot be one of its unit. */
export function shownAs(metric: string, value: Scalar | null | undefined, style: Unit): Unit {
  if (value === null || value === undefined) return style;
  if (typeof value === "boolean") return style.words ? { ...UNKNOWN, words: style.words } : UNKNOWN;
  if (typeof value !== "number") return UNKNOWN;
  const last = metric.slice(metric.lastIndexOf(".") + 1).toLowerCase();
  if (style.guessed === false) return style;
  const known = PLAUSIBLE.find(([names, unit]) => names.test(last) && unit === style.unit);
  return known && !known[2](value) ? UNKNOWN : style;
}

export const unitOf = (metric: string | null | undefined): Unit => units[keyOf(metric ?? "")] ?? UNKNOWN;

/** How a metric is shown, as its device says. */
export const styleOf = ({ unit, decimals, guessed, about }: Omit<Metric, "name">): Unit => ({
  unit,
  decimals,
  guessed,
  ...(about?.words ? { words: about.words } : {}),
});

export function learnUnits(metrics: readonly (Unit & { name: string })[]): void {
  for (const { name, unit, decimals, guessed, words } of metrics) {
    if (unit === null && decimals === null && words === undefined) continue;
    // Those of the device that needs most: of fewer nothing might be left of its value.
    const known = units[keyOf(name)]?.decimals ?? null;
    const most = decimals === null ? known : Math.max(decimals, known ?? 0);
    setUnits(keyOf(name), { unit, decimals: most, ...(guessed === undefined ? {} : { guessed }), ...(words ? { words } : {}) });
  }
}

const NAMES_SAMPLE = 200;
const [names, setNames] = createStore<Record<string, string[]>>({});

/** Metrics of some devices of the group: what has no figures (switches, words) is known by its devices alone. */
export const namesOf = (group: string): readonly string[] => names[keyOf(group)] ?? [];

/** Asks for `namesOf` once. */
export async function findNames(group: string): Promise<void> {
  if (names[keyOf(group)]) return;
  setNames(keyOf(group), []);
  const answer = await api.devicesOf(group, NAMES_SAMPLE).catch(() => ({ devices: [] }));
  setNames(keyOf(group), [...new Set(answer.devices.flatMap((device) => Object.keys(device.metrics)))].sort());
}

/** Every metric there is to choose: with figures first, those of most devices in front. */
export function offered(figures: readonly (readonly [name: string, figures: { devices: number }])[], named: readonly string[]): string[] {
  const counted = figures.filter(([, one]) => one.devices > 0).sort((a, b) => b[1].devices - a[1].devices || a[0].localeCompare(b[0]));
  return [...new Set([...counted.map(([name]) => name), ...named])];
}

/** Asks a few devices of the group once, unless the unit is known. */
export async function findUnit(metric: string, group: string): Promise<void> {
  const question = `${group}\n${metric}`;
  if (units[keyOf(metric)] || asked.has(question)) return;
  asked.add(question);
  const answer = await api.devicesOf(group, SAMPLE).catch(() => ({ devices: [] }));
  for (const device of answer.devices)
    learnUnits(
      Object.entries(device.metrics).map(([name, one]) => ({ name, ...styleOf({ ...one, guessed: one.unit_guessed, about: one.about }) })),
    );
}
