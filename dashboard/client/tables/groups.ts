import type { Delta, Snapshot } from "../protocol.js";
import type { Change, Table, TimeBase } from "./table.js";

/** One metric over a group and everything below it. `count` of `devices` is the coverage. */
export interface Aggregate {
  count: number;
  devices: number;
  mean: number | null;
  lowest: number | null;
  highest: number | null;
  /** Unix ms of the oldest value in the figures. */
  oldest: number | null;
  /** Full identifiers of the devices that have the extremes. */
  lowestOf: string | null;
  highestOf: string | null;
}

export interface StateCounts {
  fresh: number;
  late: number;
  asleep: number;
  lost: number;
}

/** How many devices have an alert, by the gravest of each. */
export interface InAlert {
  critical: number;
  warning: number;
  info: number;
}

type WireAggregate = [
  group: string,
  metric: string,
  count: number,
  devices: number,
  mean: number | null,
  lowest: number | null,
  highest: number | null,
  oldest: number | null,
  lowestOf: string | null,
  highestOf: string | null,
];
type WireStates = [
  group: string,
  metric: null,
  fresh: number,
  late: number,
  asleep: number,
  lost: number,
  critical: number,
  warning: number,
  info: number,
];

/** View `group`: aggregates by group and metric, and devices by state. Keys are group paths. */
export class GroupTable implements Table<string> {
  readonly states = new Map<string, StateCounts>();
  readonly inAlert = new Map<string, InAlert>();
  readonly aggregates = new Map<string, Map<string, Aggregate>>();

  constructor(private readonly base: TimeBase) {}

  load(part: Snapshot): void {
    for (const row of part.rows as (WireAggregate | WireStates)[]) this.set(row);
  }

  apply(delta: Delta): Change<string> {
    const keys = new Set<string>();
    let structure = false;
    for (const [group, metric] of (delta.x ?? []) as [string, string | null][]) {
      structure = true;
      if (metric === null) {
        this.states.delete(group);
        this.inAlert.delete(group);
      } else this.aggregates.get(group)?.delete(metric);
    }
    for (const row of [...(delta.a ?? []), ...(delta.r ?? [])] as (WireAggregate | WireStates)[]) {
      if (this.set(row)) structure = true;
      keys.add(row[0]);
    }
    return { structure, keys: [...keys] };
  }

  /** Whether the row's key is new. */
  private set(row: WireAggregate | WireStates): boolean {
    if (row[1] === null) {
      const [group, , fresh, late, asleep, lost, critical, warning, info] = row as WireStates;
      const isNew = !this.states.has(group);
      this.states.set(group, { fresh, late, asleep, lost });
      this.inAlert.set(group, { critical, warning, info });
      return isNew;
    }
    const [group, metric, count, devices, mean, lowest, highest, oldest, lowestOf, highestOf] = row as WireAggregate;
    let metrics = this.aggregates.get(group);
    if (!metrics) this.aggregates.set(group, (metrics = new Map()));
    const isNew = !metrics.has(metric);
    metrics.set(metric, {
      count,
      devices,
      mean,
      lowest,
      highest,
      oldest: oldest === null ? null : this.base.time_base + oldest,
      lowestOf,
      highestOf,
    });
    return isNew;
  }
}
