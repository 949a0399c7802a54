// Commands to devices: how they are asked for, and how what became of them is said to people.
import type { Command, CommandRefusal, CommandState, Payload, Schemas } from "../../client/index.js";
import { request } from "./api.js";
import type { ClientsPage, MqttClient } from "./clients.js";
import { formatBytes, formatClock, formatSpan, shortName } from "./format.js";

/** What a command is when nothing else is said, and what it may be. */
export type CommandDefaults = Schemas["Commands"]["defaults"];

/** What a person filled in. */
export interface Wish {
  topic: string;
  payload: string;
  qos: 0 | 1 | 2;
  expires_in_s: number;
}

const path = (device: string): string => `/v1/devices/${device.split("/").map(encodeURIComponent).join("/")}/commands`;

export const commands = {
  defaults: async (device: string) => (await request<Schemas["Commands"]>(`${path(device)}?limit=1`)).defaults,
  send: (device: string, wish: Wish, key: string) => request<Command>(path(device), { method: "POST", body: bodyOf(wish, key) }),
  /** Clients that would get what is published to the topic. */
  listeners: async (topic: string) =>
    (await request<ClientsPage>(`/v1/clients?${new URLSearchParams({ topic, limit: "4" })}`)).clients.filter(
      (client) => client.state !== "gone",
    ),
};

/** Whether it is sent as JSON: an object or an array is, all else as the text it is. */
export function isJson(payload: string): boolean {
  if (!/^\s*[[{]/.test(payload)) return false;
  try {
    JSON.parse(payload);
    return true;
  } catch {
    return false;
  }
}

/** The request's body. JSON goes into it as it was written: reading and writing it would change large numbers. */
export function bodyOf(wish: Wish, key: string): string {
  const { topic, payload, qos, expires_in_s } = wish;
  const rest = JSON.stringify({ topic, qos, expires_in_s, key }).slice(1);
  return `{"payload":${isJson(payload) ? `{"json":${payload}}` : JSON.stringify({ text: payload })},${rest}`;
}

/** A key that nobody else thinks of: it makes asking again safe. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const REFUSALS: Record<CommandRefusal, string> = {
  no_subscriber: "nobody has subscribed to its topic",
  too_large: "larger than the device takes",
  by_device: "the device did not want it",
  unsupported: "the MQTT engine sends no commands",
};

/** What is there to say beside the state, where there is no answer. */
export function standing(command: Command, now: number): string {
  switch (command.state) {
    case "accepted":
      return `waits for the device until ${formatClock(command.deadline, now)}`;
    case "sent":
      return command.qos === 0 ? "QoS 0 is not acknowledged" : "not acknowledged yet";
    case "delivered":
      return "no answer yet";
    case "answered":
      return "";
    case "expired":
      return "its deadline passed before it was sent";
    case "refused":
      return command.refusal ? REFUSALS[command.refusal] : "";
  }
}

/** Its states after the first, with the time since the first. */
export function laterSteps(command: Command): { state: CommandState; time: number; after: string }[] {
  const start = command.steps[0]?.time ?? 0;
  return command.steps.slice(1).map(({ state, time }) => ({ state, time, after: formatWait(time - start) }));
}

/** How long something took: to the millisecond below a second, to the tenth below a minute. */
export function formatWait(span_ms: number): string {
  if (span_ms < 1000) return `${Math.max(0, Math.round(span_ms))} ms`;
  return span_ms < 60_000 ? `${(span_ms / 1000).toFixed(1)} s` : formatSpan(span_ms);
}

/** A payload on one line. */
export function payloadWords(payload: Payload): string {
  const shown = "text" in payload ? payload.text : `base64 ${payload.base64}`;
  if (shown === "") return "no payload";
  return payload.bytes === undefined ? shown : `${shown}… (${formatBytes(payload.bytes)})`;
}

/** Who gets what is sent now. */
export function listenerWords(listeners: readonly Pick<MqttClient, "id" | "state">[]): string {
  const one = (client: Pick<MqttClient, "id" | "state">): string => `${shortName(client.id)} (${client.state})`;
  const named = listeners.slice(0, 3).map(one).join(", ");
  return `Goes to ${named}${listeners.length > 3 ? " and more" : ""}.${listeners.every((client) => client.state === "sleeping") ? " It waits there until the deadline." : ""}`;
}
