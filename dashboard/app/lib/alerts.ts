// Alerts are everywhere: the badge, the sound, the charts and the page share one view.
import { createMemo, createRoot, createSignal } from "solid-js";
import type { Alert } from "../../client/index.js";
import { api } from "./api.js";
import { openView } from "./live.js";
import { chime } from "./sound.js";

const [pending, setPending] = createSignal<ReadonlySet<string>>(new Set());
const [failures, setFailures] = createSignal<ReadonlyMap<string, string>>(new Map());
export { pending, failures };

const RANK = { critical: 0, warning: 1, info: 2 } as const;

const shared = createRoot(() => {
  const live = openView<"alerts">({ kind: "alerts" }, (change, table) => {
    if (!change) return;
    const raised = table.events.filter((event) => event.alert.state === "raised");
    if (raised.length > 0) chime(raised.some((event) => event.alert.severity === "critical"));
    for (const event of table.events) settle(event.alert);
  });
  const all = createMemo<Alert[] | null>(() => {
    const table = live.table();
    return table ? [...table.alerts.values()] : null;
  });
  return { all };
});

export const allAlerts = shared.all;

/** Unacknowledged first, then by gravity, then newest first. */
export function activeAlerts(): Alert[] {
  const order = (alert: Alert): number => (alert.state === "raised" ? 0 : 10) + RANK[alert.severity];
  return (allAlerts() ?? []).filter((alert) => alert.state !== "cleared").sort((a, b) => order(a) - order(b) || b.raised - a.raised);
}

const PAGE = 200;
const [history, setHistory] = createSignal<Alert[]>([]);
/** Of the next page of the history; `null` when there is none. */
const [older, setOlder] = createSignal<string | null>(null);
const [historyError, setHistoryError] = createSignal<string | null>(null);
export { older, historyError };

/** Alerts that cleared, newest first: what the live view holds, and what was asked of the history. */
export function clearedAlerts(): Alert[] {
  const known = new Map([...history(), ...(allAlerts() ?? [])].map((alert) => [alert.id, alert]));
  return [...known.values()].filter((alert) => alert.state === "cleared").sort((a, b) => (b.cleared ?? 0) - (a.cleared ?? 0));
}

/** Asks for a page of the history: the newest, or the one at `cursor`. */
export async function loadHistory(cursor: string | null): Promise<void> {
  try {
    const page = await api.alerts(PAGE, cursor);
    setHistory((known) => (cursor === null ? page.alerts : [...known, ...page.alerts]));
    setOlder(page.next);
    setHistoryError(null);
  } catch (failure) {
    setHistoryError((failure as Error).message);
  }
}

export const raisedCount = (): number => (allAlerts() ?? []).filter((alert) => alert.state === "raised").length;

/** Asks at once, and shows it as asked until the log has decided. */
export async function acknowledge(alert: Alert): Promise<void> {
  setPending((ids) => new Set(ids).add(alert.id));
  setFailures((all) => without(all, alert.id));
  try {
    await api.acknowledge(alert.id);
    setTimeout(() => setPending((ids) => new Set([...ids].filter((id) => id !== alert.id))), 5000);
  } catch (failure) {
    setPending((ids) => new Set([...ids].filter((id) => id !== alert.id)));
    setFailures((all) => new Map(all).set(alert.id, (failure as Error).message));
  }
}

function settle(alert: Alert): void {
  if (alert.state === "raised" || !pending().has(alert.id)) return;
  setPending((ids) => new Set([...ids].filter((id) => id !== alert.id)));
}

function without(all: ReadonlyMap<string, string>, id: string): ReadonlyMap<string, string> {
  const rest = new Map(all);
  rest.delete(id);
  return rest;
}
