// MQTT clients as the broker sees them: what the server says, and how it is said to people.
import type { Schemas } from "../../client/index.js";
import { request } from "./api.js";

export type ClientState = Schemas["ClientState"];
export type ClientEnd = Schemas["ClientEnd"];
export type MqttClient = Schemas["Client"];
export type Subscription = Schemas["ClientSubscription"];
export type ClientDetails = Schemas["ClientDetails"];
export type ClientsPage = Schemas["Clients"];
/** Refusals of one address for one reason. */
export type Refusal = Schemas["Refusal"];
export type TraceLine = Schemas["TraceLine"];

/** Which client: its identifier, and its principal where one is known. */
export interface ClientName {
  id: string;
  principal: string | null;
}

const path = (name: ClientName, tail = "", more: Record<string, string> = {}): string => {
  const query = new URLSearchParams(more);
  if (name.principal !== null) query.set("principal", name.principal);
  return `/v1/clients/${encodeURIComponent(name.id)}${tail}${query.size > 0 ? `?${query}` : ""}`;
};

export const clients = {
  list: (q: string, state: string, limit: number) =>
    request<ClientsPage>(`/v1/clients?${new URLSearchParams({ q, state, limit: String(limit) })}`),
  refusals: (q: string, limit: number) => request<Schemas["Refusals"]>(`/v1/refusals?${new URLSearchParams({ q, limit: String(limit) })}`),
  one: (name: ClientName) => request<ClientDetails>(path(name)),
  disconnect: (name: ClientName, session: boolean) => request<void>(path(name, "", { session: String(session) }), { method: "DELETE" }),
};

/** Hands over every line of a trace until `signal` ends it. Throws what the server said was wrong. */
export async function followTrace(id: string, payloads: boolean, onLine: (line: TraceLine) => void, signal: AbortSignal): Promise<void> {
  const response = await fetch(path({ id, principal: null }, "/trace", { payloads: String(payloads) }), { signal });
  if (!response.ok || !response.body) {
    const problem = (await response.json().catch(() => ({}))) as Partial<Schemas["Problem"]>;
    throw new Error(problem.detail ?? `The server answered ${response.status}.`);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") onLine(JSON.parse(line) as TraceLine);
  }
}

const REASONS: Record<string, string> = {
  disconnected: "said goodbye",
  disconnected_with_will: "said goodbye, with its will",
  lost: "connection lost",
  keep_alive_timeout: "silent for too long",
  connect_timeout: "no CONNECT in time",
  taken_over: "replaced by another with its identifier",
  session_gave_way: "its session ended while it was away, for want of room",
  administrative: "ended by an operator",
  bad_credentials: "wrong credentials",
  not_authorized: "not authorized",
  malformed_packet: "broke the protocol",
  packet_too_large: "packet too large",
  client_limit: "over a limit",
  invalid_topic: "invalid topic",
  internal: "an error of the server",
  kept_out: "kept out by a limit",
  timeout: "no CONNECT in time",
  other_protocol: "spoke another protocol",
  tls: "TLS handshake failed",
  client_certificate: "its certificate was refused",
  server_certificate: "does not take the server's certificate",
  proxy_header: "no header of a proxy",
  origin: "a page of another origin",
  websocket: "no WebSocket for MQTT",
};

export const reasonWords = (reason: string): string => REASONS[reason] ?? reason.replaceAll("_", " ");

/** Ends that call for somebody: everything but a goodbye, and what an operator did. */
export const isTrouble = (end: ClientEnd | null): boolean => end !== null && !["disconnected", "administrative"].includes(end.reason);

/** What a packet says besides its type. */
export function packetWords(line: Extract<TraceLine, { kind: "packet" }>): string {
  const codes = (line.codes ?? []).filter((code) => code >= 0x80).map((code) => `0x${code.toString(16).padStart(2, "0")}`);
  const topic = line.topic ?? (line.topic_alias === undefined ? undefined : `topic alias ${line.topic_alias}`);
  return [
    line.qos !== undefined && `qos ${line.qos}`,
    line.packet_id !== undefined && `id ${line.packet_id}`,
    line.dup && "dup",
    line.retain && "retain",
    topic,
    line.payload_bytes !== undefined && `${line.payload_bytes} B${line.payload === undefined ? "" : `: ${line.payload}`}`,
    ...codes,
    line.detail,
  ]
    .filter((part) => part !== undefined && part !== false && part !== "")
    .join("  ");
}
