// Every message of docs/protocol.md, as types. What REST shows too is of its description.
import type { components } from "./openapi.js";

export type Schemas = components["schemas"];
export type State = Schemas["DeviceState"];
export type Severity = Schemas["Severity"];
export type Scalar = Schemas["Value"];
/** Where a view stands: opaque text, to compare for equality and to hand back. */
export type Position = Schemas["Position"];

/** A value that says more than itself. Times are relative to `time_base`. */
export interface Envelope {
  v: Scalar;
  /** `null`: handed over from before, and when it was measured is not known. */
  t?: number | null;
  n?: number;
  lo?: number;
  hi?: number;
  ft?: number;
  /** In the place of `n`: at most so many. */
  n_max?: number;
}

export type WireCell = Scalar | Envelope | null;
export type AboutDevice = Schemas["AboutDevice"];
export type AboutMetric = Schemas["AboutMetric"];
/** Name, unit, decimals, `true` where the unit is guessed from the name, and what else is known of it. */
export type WireMetric = [name: string, unit: string | null, decimals: number | null, guessed?: boolean, about?: AboutMetric];

/** As REST has it; times are Unix ms. */
export type Alert = Schemas["Alert"];

/** Alerts of one rule that came close to each other, as one line. Times are Unix ms. */
export interface AlertBurst {
  id: string;
  rule: string;
  severity: Severity;
  text: string;
  /** All that came; those neither raised nor acknowledged have cleared. */
  count: number;
  raised: number;
  acknowledged: number;
  /** When the first and the last of them was raised. */
  first: number;
  last: number;
}

export type BySeverity = [critical: number, warning: number, info: number];
export type AlertCounts = [raised: BySeverity, acknowledged: BySeverity, cleared: number];

/** Bytes as text, or as base64 where they are none. `bytes` is how many there are when these are only the first of them. */
export type Payload = Schemas["Payload"] & { bytes?: number };

export type CommandState = Schemas["CommandState"];
export type CommandRefusal = NonNullable<Schemas["Command"]["refusal"]>;

/** As REST has it, but that a long payload is only begun. */
export type Command = Omit<Schemas["Command"], "payload" | "answer"> & { payload: Payload; answer: Payload | null };

export interface SeriesName {
  device: string;
  metric: string;
}

export interface DeviceSpec {
  kind: "device";
  device: string;
  metrics?: string[];
}
export interface DevicesSpec {
  kind: "devices";
  devices?: string[];
  group?: string;
  metrics?: string[];
  after?: string;
  limit?: number;
  /** Whether devices of the group that people hid are among them. */
  hidden?: boolean;
}
export interface FleetSpec {
  kind: "fleet";
  group?: string;
  metric?: string;
  /** Whether each cell says when anything was last heard of its device. */
  heard?: boolean;
  /** Whether devices that people hid are among them. */
  hidden?: boolean;
}
export interface GroupSpec {
  kind: "group";
  group: string;
  depth?: number;
  metrics?: string[];
}
export interface SeriesSpec {
  kind: "series";
  series: SeriesName[];
  from?: number;
  to?: number;
  last?: number;
  width: number;
}
export interface AlertsSpec {
  kind: "alerts";
  group?: string;
  device?: string;
  limit?: number;
}
export interface CommandsSpec {
  kind: "commands";
  device?: string;
  limit?: number;
}
export type ViewSpec = DeviceSpec | DevicesSpec | FleetSpec | GroupSpec | SeriesSpec | AlertsSpec | CommandsSpec;

export type ClientMessage =
  | { type: "hello"; protocol: 2; encoding: "json"; max_rate?: number; max_bytes_per_second?: number }
  | { type: "subscribe"; id: number; view: ViewSpec; since?: Position; rate?: number }
  | ({ type: "update"; id: number } & ViewUpdate)
  | { type: "unsubscribe"; id: number }
  | { type: "seen"; bytes: number }
  | { type: "pause" }
  | { type: "continue" }
  | { type: "ping"; n: number };

/** What may change while a subscription keeps its place. */
export interface ViewUpdate {
  add?: string[];
  remove?: string[];
  from?: number;
  to?: number;
  last?: number;
  width?: number;
  metric?: string;
  rate?: number;
}

export interface Welcome {
  type: "welcome";
  protocol: number;
  session: string;
  epoch: string;
  time_base: number;
  time: number;
  pulse_ms: number;
  pulse_paused_ms: number;
  max_rate: number | null;
  max_bytes_per_second: number | null;
  limits: { subscriptions: number; rows: number; message_bytes: number; bytes_in_flight_start: number; bytes_in_flight_max: number };
}

/** Index in `series`, where the histories meet (Unix ms), whose the older part is, and why that is missing. */
export type WireSeam = [index: number, at: number, older: string, missing: string | null];

export interface Snapshot {
  type: "snapshot";
  id: number;
  part: number;
  at: Position;
  last: boolean;
  rows: unknown[];
  groups?: string[];
  rung_ms?: number;
  seams?: WireSeam[];
  missing?: string[];
  counts?: AlertCounts;
}

/** The answers to `subscribe` and `update`: deltas a second at most, `null` when nothing but the link limits them. */
export interface Subscribed {
  type: "subscribed";
  id: number;
  rate: number | null;
}
export interface Updated {
  type: "updated";
  id: number;
  rate: number | null;
}
export interface Unsubscribed {
  type: "unsubscribed";
  id: number;
}

export interface Delta {
  type: "d";
  d: [id: number, from: Position, to: Position];
  r?: unknown[];
  s?: [row: number, state: State, since: number, alert: Severity | null][];
  m?: [row: number, column: number, ...metric: WireMetric][];
  f?: [row: number, about: AboutDevice | string | null][];
  a?: unknown[];
  x?: unknown[];
  n?: AlertCounts;
  h?: WireSeam[];
  e?: [position: Position, time: number, alert: Alert][];
  /** A part of a delta too large for one frame; the part without it completes the delta. */
  more?: boolean;
}

export type PaceReason = "slow_link" | "unseen" | "paused" | "rate_limit" | "byte_limit" | "full";
/** With an `id` it is about that subscription, else about all. */
export interface Pace {
  type: "pace";
  id?: number;
  rate: number | null;
  reason: PaceReason;
}
export interface Pulse {
  type: "pulse";
  time: number;
  at: Position;
  sent: number;
}
export interface Pong {
  type: "pong";
  n: number;
  time: number;
}
export interface Gap {
  type: "gap";
  id: number;
  from: Position;
  to: Position;
  reason: "epoch" | "horizon";
  done: "snapshot" | "store";
}
export interface Goaway {
  type: "goaway";
  reconnect_after_ms: number;
}
export interface ProtocolError {
  type: "error";
  code: number;
  id?: number;
  message: string;
  retry: boolean;
  retry_after_ms?: number;
}

export type ServerMessage = Welcome | Subscribed | Updated | Unsubscribed | Snapshot | Pace | Pulse | Pong | Gap | Goaway | ProtocolError;

/** A frame, or `null` when it is not one this client understands (a newer server may send such). */
export function parseFrame(text: string): ServerMessage | Delta | null {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof frame !== "object" || frame === null) return null;
  return "type" in frame ? (frame as ServerMessage | Delta) : null;
}

export function isDelta(frame: ServerMessage | Delta): frame is Delta {
  return frame.type === "d";
}

/** Bytes of `text` in UTF-8: what `seen` counts. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}
