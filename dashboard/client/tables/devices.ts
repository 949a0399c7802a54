import type { AboutDevice, AboutMetric, Delta, Envelope, Scalar, Severity, Snapshot, State, WireCell, WireMetric } from "../protocol.js";
import type { Change, Table, TimeBase } from "./table.js";

export interface Metric {
  name: string;
  unit: string | null;
  decimals: number | null;
  /** Nobody said the unit: the name suggests it. */
  guessed: boolean;
  /** What else is known of it: what people call it, its class, words for a switch. */
  about: AboutMetric | null;
}

/** The newest value of one metric, and what lay between the last two deltas. */
export interface Cell {
  value: Scalar;
  /** Unix ms, by the device's clock; `null` where it was handed over from before, and when it was measured is not known. */
  time: number | null;
  /** Values since the delta before, with their extremes; `null` when there was one. Not exact: at most so many. */
  between: { count: number; exact: boolean; lowest: number; highest: number; since: number | null } | null;
}

export interface Device {
  row: number;
  id: string;
  group: string;
  state: State;
  /** Unix ms since when the state holds. */
  since: number;
  alert: Severity | null;
  /** What is known of it besides values: a name, its maker. */
  about: AboutDevice | null;
  /** Unix ms of the newest reading that has a time; `null` before the first. */
  time: number | null;
  metrics: Metric[];
  /** By column; `null` where the metric has no value. */
  cells: (Cell | null)[];
}

interface WireDevice {
  row: number;
  id: string;
  group: string;
  state: State;
  since: number;
  alert: Severity | null;
  about?: AboutDevice;
  metrics: WireMetric[];
  cells: [time: number | null, ...values: WireCell[]];
}

/** Views `device` and `devices`: the state of each device and its metrics. */
export class DeviceTable implements Table<number> {
  readonly rows = new Map<number, Device>();
  /** Names asked for that no device has (yet). */
  missing: string[] = [];

  constructor(private readonly base: TimeBase) {}

  load(part: Snapshot): void {
    for (const row of part.rows as WireDevice[]) this.join(row);
    if (part.missing) this.missing = part.missing;
  }

  apply(delta: Delta): Change<number> {
    const keys = new Set<number>();
    for (const row of (delta.x ?? []) as number[]) this.rows.delete(row);
    for (const row of (delta.a ?? []) as WireDevice[]) {
      this.join(row);
      this.missing = this.missing.filter((name) => name !== row.id && !row.id.endsWith(`/${name}`));
    }
    for (const column of delta.m ?? []) if (this.addColumn(column)) keys.add(column[0]);
    for (const about of delta.f ?? []) if (this.setAbout(about)) keys.add(about[0]);
    for (const state of delta.s ?? []) if (this.setState(state)) keys.add(state[0]);
    for (const values of (delta.r ?? []) as [number, number, ...WireCell[]][]) if (this.setValues(values)) keys.add(values[0]);
    return { structure: Boolean(delta.a?.length || delta.x?.length || delta.m?.length), keys: [...keys] };
  }

  private join(wire: WireDevice): void {
    const [time, ...values] = wire.cells;
    const device: Device = {
      row: wire.row,
      id: wire.id,
      group: wire.group,
      state: wire.state,
      since: this.unix(wire.since),
      alert: wire.alert,
      about: wire.about ?? null,
      time: null,
      metrics: wire.metrics.map(metricOf),
      cells: wire.metrics.map(() => null),
    };
    if (time !== null && time !== undefined) this.fill(device, time, values);
    this.rows.set(wire.row, device);
  }

  private addColumn([row, column, ...metric]: NonNullable<Delta["m"]>[number]): boolean {
    const device = this.rows.get(row);
    if (!device) return false;
    device.metrics[column] = metricOf(metric);
    device.cells[column] ??= null;
    return true;
  }

  private setAbout([row, about]: NonNullable<Delta["f"]>[number]): boolean {
    const device = this.rows.get(row);
    if (!device) return false;
    device.about = typeof about === "string" ? null : about;
    return true;
  }

  private setState([row, state, since, alert]: NonNullable<Delta["s"]>[number]): boolean {
    const device = this.rows.get(row);
    if (!device) return false;
    Object.assign(device, { state, since: this.unix(since), alert });
    return true;
  }

  private setValues([row, time, ...values]: [number, number, ...WireCell[]]): boolean {
    const device = this.rows.get(row);
    if (!device) return false;
    this.fill(device, time, values);
    return true;
  }

  private fill(device: Device, rowTime: number, values: WireCell[]): void {
    values.forEach((wire, column) => {
      if (wire === null) return;
      const cell = this.cell(wire, rowTime);
      device.cells[column] = cell;
      if (cell.time !== null) device.time = this.unix(rowTime);
    });
  }

  private cell(wire: Scalar | Envelope, rowTime: number): Cell {
    if (typeof wire !== "object") return { value: wire, time: this.unix(rowTime), between: null };
    const { v, t, n, n_max, lo, hi, ft } = wire;
    const count = n ?? n_max;
    const between =
      count !== undefined && lo !== undefined && hi !== undefined
        ? { count, exact: n !== undefined, lowest: lo, highest: hi, since: ft === undefined ? null : this.unix(ft) }
        : null;
    return { value: v, time: t === null ? null : this.unix(t ?? rowTime), between };
  }

  private unix(relative: number): number {
    return this.base.time_base + relative;
  }
}

function metricOf([name, unit, decimals, guessed = false, about = undefined]: WireMetric): Metric {
  return { name, unit, decimals, guessed, about: about ?? null };
}
