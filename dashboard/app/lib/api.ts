import { createSignal, onCleanup, type Accessor } from "solid-js";
import type { Schemas } from "../../client/index.js";

export type Rule = Schemas["Rule"];
export type Periods = Schemas["Periods"];
export type Stats = Schemas["Stats"];
/** How MQTT clients come in. */
export type MqttWays = Pick<Stats["mqtt"], "listeners" | "anonymous" | "proofs">;

/** What the server said was wrong, in its own words. */
export class Problem extends Error {
  constructor(
    message: string,
    /** The kind of problem (`urn:tidegate:…`); empty where the answer was none of the server's own. */
    readonly type: string,
  ) {
    super(message);
  }
}

/** Throws a `Problem` where the server refuses. */
export async function request<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      headers: { accept: "application/json", ...(init?.body ? { "content-type": "application/json" } : {}) },
    });
  } catch {
    throw new Error("The server does not answer. Check that it runs.");
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as Partial<Schemas["Problem"]>;
  throw new Problem(problem.detail ?? problem.title ?? `The server answered ${response.status}.`, problem.type ?? "");
}

export const api = {
  devices: (query: string, limit: number) =>
    request<Schemas["Devices"]>(`/v1/devices?hidden=true&q=${encodeURIComponent(query)}&limit=${limit}`),
  device: async (id: string) => (await request<Schemas["Devices"]>(`/v1/devices?id=${encodeURIComponent(id)}`)).devices[0] ?? null,
  devicesOf: (group: string, limit: number, query = "") =>
    request<Schemas["Devices"]>(
      `/v1/devices?group=${encodeURIComponent(group)}${query === "" ? "" : `&q=${encodeURIComponent(query)}`}&limit=${limit}`,
    ),
  alerts: (which: { state: "active" | "cleared"; burst?: string | undefined }, limit: number, cursor: string | null) =>
    request<Schemas["Alerts"]>(
      `/v1/alerts?state=${which.state}${which.burst === undefined ? "" : `&burst=${encodeURIComponent(which.burst)}`}&limit=${limit}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
    ),
  readings: (device: string, metric: string, from: number, to: number, limit: number, cursor: string | null) =>
    request<Schemas["Readings"]>(
      `/v1/readings?device=${encodeURIComponent(device)}&metric=${encodeURIComponent(metric)}&from=${from}&to=${to}&limit=${limit}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
    ),
  rules: (device?: string) => request<Schemas["Rules"]>(`/v1/rules${device === undefined ? "" : `?device=${encodeURIComponent(device)}`}`),
  acknowledge: (id: string, comment: string) =>
    request<Schemas["Alert"]>(`/v1/alerts/${encodeURIComponent(id)}/acknowledge`, {
      method: "POST",
      ...(comment === "" ? {} : { body: JSON.stringify({ comment }) }),
    }),
  unacknowledge: (id: string) => request<Schemas["Alert"]>(`/v1/alerts/${encodeURIComponent(id)}/unacknowledge`, { method: "POST" }),
  periods: (device: string, metric: string, from: number, to: number, limit: number) =>
    request<Periods>(
      `/v1/periods?device=${encodeURIComponent(device)}&metric=${encodeURIComponent(metric)}&from=${from}&to=${to}&limit=${limit}`,
    ),
  problems: () => request<Schemas["Problems"]>("/v1/problems"),
  decode: (topic: string, payload: string) =>
    request<Schemas["Trial"]>("/v1/decode", { method: "POST", body: JSON.stringify({ topic, payload: { text: payload } }) }),
  stats: () => request<Stats>("/v1/stats"),
};

/** Asks every `interval_ms` while the page is visible and the owner lives. Keeps the last answer when one fails. */
export function poll<T>(
  ask: () => Promise<T>,
  interval_ms: number,
): { value: Accessor<T | null>; error: Accessor<string | null>; refresh: () => void } {
  const [value, setValue] = createSignal<T | null>(null);
  const [error, setError] = createSignal<string | null>(null);
  let alive = true;
  let asked = 0;
  const run = async (): Promise<void> => {
    if (document.visibilityState === "hidden") return;
    const turn = ++asked;
    try {
      const answer = await ask();
      // An answer to an older question must not take the place of a newer one's.
      if (!alive || turn !== asked) return;
      setValue(() => answer);
      setError(null);
    } catch (failure) {
      if (turn === asked) setError(`${(failure as Error).message} This page keeps trying.`);
    }
  };
  void run();
  const timer = setInterval(run, interval_ms);
  onCleanup(() => {
    alive = false;
    clearInterval(timer);
  });
  return { value, error, refresh: () => void run() };
}

/** Where a window of a metric is as CSV, with times as the reader has them. */
export function csvHref(what: "readings" | "periods", device: string, metric: string, from: number, to: number): string {
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `/v1/${what}?device=${encodeURIComponent(device)}&metric=${encodeURIComponent(metric)}&from=${Math.floor(from)}&to=${Math.ceil(to)}&format=csv&timezone=${encodeURIComponent(timezone)}`;
}
