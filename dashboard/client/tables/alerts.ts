import type { Alert, AlertBurst, AlertCounts, BySeverity, Delta, Position, Snapshot } from "../protocol.js";
import type { Change, Table } from "./table.js";

/** One change of an alert, as it happened. */
export interface AlertEvent {
  position: Position;
  /** Unix ms. */
  time: number;
  alert: Alert;
}

/** View `alerts`: how many there are, and a window on them. */
export class AlertTable implements Table<string> {
  readonly alerts = new Map<string, Alert>();
  /** Lines that stand for many. */
  readonly bursts = new Map<string, AlertBurst>();
  counts: AlertCounts = [[0, 0, 0], [0, 0, 0], 0];
  /** Changes of the newest delta, in order. */
  events: AlertEvent[] = [];
  /** Lines that the newest delta began. */
  begun: AlertBurst[] = [];

  /** How many hold and nobody took on. */
  get raised(): number {
    return sum(this.counts[0]);
  }

  /** How many hold and somebody took on. */
  get acknowledged(): number {
    return sum(this.counts[1]);
  }

  load(part: Snapshot): void {
    this.counts = part.counts ?? this.counts;
    for (const row of part.rows as (Alert | AlertBurst)[]) this.put(row);
  }

  apply(delta: Delta): Change<string> {
    this.counts = delta.n ?? this.counts;
    this.events = (delta.e ?? []).map(([position, time, alert]) => ({ position, time, alert }));
    const rows = (delta.r ?? []) as (Alert | AlertBurst)[];
    this.begun = rows.filter(isBurst).filter((burst) => !this.bursts.has(burst.id));
    for (const id of (delta.x ?? []) as string[]) this.drop(id);
    for (const row of rows) this.put(row);
    return { structure: true, keys: rows.map((row) => row.id) };
  }

  private put(row: Alert | AlertBurst): void {
    if (isBurst(row)) this.bursts.set(row.id, row);
    else this.alerts.set(row.id, row);
  }

  /** `"*"` stands for every row. */
  private drop(id: string): void {
    for (const rows of [this.alerts, this.bursts]) {
      if (id === "*") rows.clear();
      else rows.delete(id);
    }
  }
}

const isBurst = (row: Alert | AlertBurst): row is AlertBurst => "count" in row;
const sum = (counts: BySeverity): number => counts[0] + counts[1] + counts[2];
