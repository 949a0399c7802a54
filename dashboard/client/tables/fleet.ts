import type { Delta, Scalar, Severity, Snapshot, State } from "../protocol.js";
import type { Change, Table, TimeBase } from "./table.js";

/** A device as the fleet shows it: how it is, and one metric. */
export interface FleetCell {
  row: number;
  id: string;
  group: string;
  state: State;
  alert: Severity | null;
  value: Scalar | null;
  /** Unix ms of the value; `null` where there is none, and where it was handed over from before without one. */
  time: number | null;
  /** Unix ms of the newest value of any metric, where the view asks for it. */
  heard: number | null;
  /** What people call it, if anybody said. */
  name: string | null;
}

type WireRow = [
  row: number,
  id: string,
  group: number | string,
  state: State,
  alert: Severity | null,
  value: Scalar | null,
  time: number | null,
  heard?: number | null,
  name?: string,
];
type WireChange = [row: number, state: State, alert: Severity | null, value: Scalar | null, time: number | null, heard?: number | null];

/** View `fleet`: a compact cell for each device of a group. */
export class FleetTable implements Table<number> {
  readonly cells = new Map<number, FleetCell>();
  private readonly groups: string[] = [];

  constructor(private readonly base: TimeBase) {}

  load(part: Snapshot): void {
    this.groups.push(...(part.groups ?? []));
    for (const row of part.rows as WireRow[]) this.join(row);
  }

  apply(delta: Delta): Change<number> {
    const keys: number[] = [];
    for (const row of (delta.x ?? []) as number[]) this.cells.delete(row);
    for (const row of (delta.a ?? []) as WireRow[]) this.join(row);
    for (const [row, state, alert, value, time, heard] of (delta.r ?? []) as WireChange[]) {
      const cell = this.cells.get(row);
      if (!cell) continue;
      cell.state = state;
      cell.alert = alert;
      cell.value = value;
      cell.time = this.unix(time);
      cell.heard = this.unix(heard ?? null);
      keys.push(row);
    }
    for (const [row, name] of delta.f ?? []) {
      const cell = this.cells.get(row);
      if (!cell) continue;
      cell.name = typeof name === "string" ? name : null;
      keys.push(row);
    }
    return { structure: Boolean(delta.a?.length || delta.x?.length), keys };
  }

  private join([row, id, group, state, alert, value, time, heard, name]: WireRow): void {
    const path = typeof group === "string" ? group : (this.groups[group] ?? "");
    const [measured, last] = [this.unix(time), this.unix(heard ?? null)];
    this.cells.set(row, { row, id, group: path, state, alert, value, time: measured, heard: last, name: name ?? null });
  }

  private unix(relative: number | null): number | null {
    return relative === null ? null : this.base.time_base + relative;
  }
}
