import type { Alert, Delta, Snapshot } from "../protocol.js";
import type { Change, Table } from "./table.js";

/** One change of an alert, as it happened. */
export interface AlertEvent {
  position: number;
  /** Unix ms. */
  time: number;
  alert: Alert;
}

/** View `alerts`: every active alert and those that cleared in the last hour. */
export class AlertTable implements Table<string> {
  readonly alerts = new Map<string, Alert>();
  /** Changes of the newest delta, in order. */
  events: AlertEvent[] = [];

  load(part: Snapshot): void {
    for (const alert of part.rows as Alert[]) this.alerts.set(alert.id, alert);
  }

  apply(delta: Delta): Change<string> {
    const keys = new Set<string>();
    for (const id of (delta.x ?? []) as string[]) this.alerts.delete(id);
    this.events = (delta.e ?? []).map(([position, time, alert]) => ({ position, time, alert }));
    const rows = [...this.events.map((event) => event.alert), ...((delta.a ?? []) as Alert[]), ...((delta.r ?? []) as Alert[])];
    for (const alert of rows) {
      this.alerts.set(alert.id, alert);
      keys.add(alert.id);
    }
    return { structure: true, keys: [...keys] };
  }
}
