// The SDK: a client for docs/protocol.md without the DOM.
//   client.ts    a session that reconnects and resumes
//   view.ts      one subscription, its position and its table
//   tables/      what each kind of view holds, and how deltas apply
//   way.ts       how long readings take to get here
//   protocol.ts  the messages; ports.ts  what it needs from outside
export { LiveClient } from "./client.js";
export { View, type ViewListener } from "./view.js";
export type { Phase, Status } from "./status.js";
export type { Clock, Connect, Link, LinkEvents } from "./ports.js";
export type {
  AboutDevice,
  AboutMetric,
  Alert,
  AlertBurst,
  Command,
  CommandRefusal,
  CommandState,
  Gap,
  Payload,
  Position,
  Scalar,
  Schemas,
  SeriesName,
  Severity,
  State,
  ViewSpec,
  ViewUpdate,
} from "./protocol.js";
export type { Tables } from "./tables/index.js";
export type { Change } from "./tables/table.js";
export type { Cell, Device, DeviceTable, Metric } from "./tables/devices.js";
export type { FleetCell, FleetTable } from "./tables/fleet.js";
export type { Aggregate, GroupTable, InAlert, StateCounts } from "./tables/groups.js";
export type { Bucket, Seam, SeriesTable } from "./tables/series.js";
export type { AlertEvent, AlertTable } from "./tables/alerts.js";
export type { CommandTable } from "./tables/commands.js";
