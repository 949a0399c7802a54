// The fleet's groups, their states and aggregates: one view for the tree and the page.
import { createMemo, createRoot } from "solid-js";
import type { Aggregate, FleetCell, GroupTable, InAlert, StateCounts } from "../../client/index.js";
import { groupWords } from "./format.js";
import { openView } from "./live.js";

/** Levels of groups that are shown: as many as a topic has room for. */
const DEPTH = 65_535;

const shared = createRoot(() => {
  const live = openView<"group">({ kind: "group", group: "", depth: DEPTH });
  /** Paths in natural order; changes only when a group comes or goes. */
  const paths = createMemo<string[]>(() => [...(live.table()?.states.keys() ?? [])].sort((a, b) => comparePaths(a, b)), [], {
    equals: (a, b) => a.length === b.length && a.every((path, i) => path === b[i]),
  });
  /** The groups right below each. */
  const below = createMemo(() => {
    const by = new Map<string, string[]>();
    for (const path of paths()) if (path !== "") by.set(parentOf(path), [...(by.get(parentOf(path)) ?? []), path]);
    return by;
  });
  return { live, paths, below };
});

export const groupPaths = shared.paths;
export const groupTable = (): GroupTable | null => shared.live.table();

export const total = (counts: StateCounts | undefined): number => (counts ? counts.fresh + counts.late + counts.asleep + counts.lost : 0);

export function statesOf(path: string): StateCounts {
  return groupTable()?.states.get(path) ?? { fresh: 0, late: 0, asleep: 0, lost: 0 };
}

/** What counts over a group and everything below it come to for the group's own devices. */
export function withoutThoseBelow<T extends { [K in keyof T]: number }>(counts: T, below: readonly T[]): T {
  const own = { ...counts };
  for (const name of Object.keys(own) as (keyof T)[])
    own[name] = below.reduce((left, one) => left - one[name], own[name] as number) as T[keyof T];
  return own;
}

const childrenOf = (path: string): string[] => shared.below().get(path) ?? [];

/** As {@link statesOf}, of the devices that stand in the group itself. */
export const ownStatesOf = (path: string): StateCounts => withoutThoseBelow(statesOf(path), childrenOf(path).map(statesOf));

/** As {@link inAlertOf}, of the devices that stand in the group itself. */
export const ownInAlertOf = (path: string): InAlert => withoutThoseBelow(inAlertOf(path), childrenOf(path).map(inAlertOf));

/** How many devices of the group and below have an alert, by the gravest of each. */
export function inAlertOf(path: string): InAlert {
  return groupTable()?.inAlert.get(path) ?? { critical: 0, warning: 0, info: 0 };
}

export function aggregateOf(path: string, metric: string): Aggregate | undefined {
  return groupTable()?.aggregates.get(path)?.get(metric);
}

export const parentOf = (path: string): string => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "");
export const lastLevel = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const isBelow = (path: string, group: string): boolean => group === "" || path === group || path.startsWith(`${group}/`);

/** A group as a page of another names it: with every level below that one, so that no two are called alike. */
export function nameWithin(path: string, group: string): string {
  if (path === group) return groupWords(lastLevel(path));
  return groupWords(group === "" ? path : path.slice(group.length + 1));
}

/** The group that a device is shown in: its own, or the nearest above that the server counts it in. */
export function homeOf(path: string, known: ReadonlySet<string>): string {
  let home = path;
  while (home !== "" && !known.has(home)) home = parentOf(home);
  return home;
}

/** Whether there are groups below one. */
export const hasBelow = (path: string, paths: readonly string[]): boolean => paths.some((other) => other !== path && isBelow(other, path));

/** Figures of a group's own devices, without those of the groups below it, as the server counts: fresh, or asleep as planned. */
export function figuresOf(cells: readonly FleetCell[]): Aggregate {
  const numbers = cells.flatMap((cell) => (typeof cell.value === "number" ? [{ cell, value: cell.value }] : []));
  const counted = numbers.filter(({ cell }) => cell.state === "fresh" || cell.state === "asleep").sort((a, b) => a.value - b.value);
  const [first, last] = [counted[0], counted[counted.length - 1]];
  const times = counted.flatMap(({ cell }) => (cell.time === null ? [] : [cell.time]));
  return {
    count: counted.length,
    devices: numbers.length,
    mean: first ? counted.reduce((sum, { value }) => sum + value / counted.length, 0) : null,
    lowest: first?.value ?? null,
    highest: last?.value ?? null,
    oldest: times.length > 0 ? Math.min(...times) : null,
    lowestOf: first?.cell.id ?? null,
    highestOf: last?.cell.id ?? null,
  };
}

const collator = new Intl.Collator("en", { numeric: true });
const comparePaths = (a: string, b: string): number => collator.compare(a.replaceAll("/", "\u0001"), b.replaceAll("/", "\u0001"));
export const compareNames = (a: string, b: string): number => collator.compare(a, b);

/** Devices that stand in the group itself, not below it. */
export const directCount = (path: string): number => total(ownStatesOf(path));
