import type { ViewSpec } from "../protocol.js";
import { AlertTable } from "./alerts.js";
import { CommandTable } from "./commands.js";
import { DeviceTable } from "./devices.js";
import { FleetTable } from "./fleet.js";
import { GroupTable } from "./groups.js";
import { SeriesTable } from "./series.js";
import type { TimeBase } from "./table.js";

/** The table of each kind of view. */
export interface Tables {
  device: DeviceTable;
  devices: DeviceTable;
  fleet: FleetTable;
  group: GroupTable;
  series: SeriesTable;
  alerts: AlertTable;
  commands: CommandTable;
}

export type AnyTable = Tables[keyof Tables];

export function emptyTable(kind: ViewSpec["kind"], base: TimeBase): AnyTable {
  switch (kind) {
    case "device":
    case "devices":
      return new DeviceTable(base);
    case "fleet":
      return new FleetTable(base);
    case "group":
      return new GroupTable(base);
    case "series":
      return new SeriesTable();
    case "alerts":
      return new AlertTable();
    case "commands":
      return new CommandTable();
  }
}
