// Units and decimals by metric: learnt from every device that is looked at, asked for only when none was.
import { createStore } from "solid-js/store";
import { api } from "./api.js";

export interface Unit {
  unit: string | null;
  decimals: number | null;
}

const UNKNOWN: Unit = { unit: null, decimals: null };
const SAMPLE = 50;
const [units, setUnits] = createStore<Record<string, Unit>>({});
const asked = new Set<string>();

/** Names are the devices': with a prefix, `__proto__` and `constructor` are names like any other. */
const keyOf = (metric: string): string => `=${metric}`;

export const unitOf = (metric: string | null | undefined): Unit => units[keyOf(metric ?? "")] ?? UNKNOWN;

export function learnUnits(metrics: readonly (Unit & { name: string })[]): void {
  for (const { name, unit, decimals } of metrics) if (unit !== null || decimals !== null) setUnits(keyOf(name), { unit, decimals });
}

/** Asks a few devices of the group once, unless the unit is known. */
export async function findUnit(metric: string, group: string): Promise<void> {
  const question = `${group}\n${metric}`;
  if (units[keyOf(metric)] || asked.has(question)) return;
  asked.add(question);
  const answer = await api.devicesOf(group, SAMPLE).catch(() => ({ devices: [] }));
  for (const device of answer.devices) learnUnits(Object.entries(device.metrics).map(([name, one]) => ({ name, unit: one.unit, decimals: one.decimals })));
}
