// Alerts are everywhere: the badge, the sound, the charts and the page share one view.
import { createEffect, createMemo, createRoot, createSignal, on } from "solid-js";
import type { Alert, AlertBurst } from "../../client/index.js";
import { api, poll } from "./api.js";
import { openView } from "./live.js";
import { chime } from "./sound.js";

const [pending, setPending] = createSignal<ReadonlySet<string>>(new Set());
const [failures, setFailures] = createSignal<ReadonlyMap<string, string>>(new Map());
/** What acknowledgements were answered with, for alerts outside the window. */
const [taken, setTaken] = createSignal<ReadonlyMap<string, Alert>>(new Map());
export { pending, failures };

/** The alert, as an acknowledgement of this page has left it. */
export const newest = (alert: Alert): Alert => taken().get(alert.id) ?? alert;

const RANK = { critical: 0, warning: 1, info: 2 } as const;

/** Lines on the page: those that hold, and as many of those that cleared. */
const SHOWN = 200;

const shared = createRoot(() => {
  const live = openView<"alerts">({ kind: "alerts", limit: SHOWN }, (change, table) => {
    if (!change) return;
    const raised = [
      ...table.events.map((event) => event.alert).filter((alert) => alert.state === "raised" && alert.unacknowledged === null),
      ...table.begun,
    ];
    if (raised.length > 0) chime(raised.some((alert) => alert.severity === "critical"));
    for (const event of table.events) settle(event.alert);
  });
  const all = createMemo<Alert[] | null>(() => {
    const table = live.table();
    return table ? [...table.alerts.values()] : null;
  });
  return { all, table: live.table };
});

/** Alerts in the window, those that hold and those that cleared lately; `null` before they are known. */
export const allAlerts = shared.all;

/** A line of the page. */
export type Line = Alert | AlertBurst;

export const isBurst = (line: Line): line is AlertBurst => "count" in line;

/** How many hold and nobody took on, and how many somebody did: exact, however many are shown. */
export const raisedCount = (): number => shared.table()?.raised ?? 0;
export const acknowledgedCount = (): number => shared.table()?.acknowledged ?? 0;

/** What holds. Unacknowledged first, then by gravity, then newest first. */
export function activeLines(): Line[] {
  const isOpen = (line: Line): boolean => (isBurst(line) ? line.raised > 0 : line.state === "raised");
  const order = (line: Line): number => (isOpen(line) ? 0 : 10) + RANK[line.severity];
  const since = (line: Line): number => (isBurst(line) ? line.first : line.raised);
  const alerts = (allAlerts() ?? []).filter((alert) => alert.state !== "cleared");
  const bursts = [...(shared.table()?.bursts.values() ?? [])].filter((burst) => burst.raised + burst.acknowledged > 0);
  return [...bursts, ...alerts].sort((a, b) => order(a) - order(b) || since(b) - since(a));
}

/** How many hold that no line shows or stands for. */
const unshownCount = (): number =>
  raisedCount() + acknowledgedCount() - activeLines().reduce((sum, line) => sum + (isBurst(line) ? line.raised + line.acknowledged : 1), 0);

const UNSHOWN_EVERY_MS = 5_000;
const UNSHOWN_PAGES = 10;

/** Those that hold and are not in the window: asked for as long as there are some and the owner lives. */
export function createUnshown(): () => Alert[] {
  const answer = poll(async () => (unshownCount() > 0 ? activeFromServer() : []), UNSHOWN_EVERY_MS);
  const areSome = createMemo(() => unshownCount() > 0);
  createEffect(on(areSome, () => answer.refresh(), { defer: true }));
  return createMemo(() => {
    if (!areSome()) return [];
    const known = new Set((allAlerts() ?? []).map((alert) => alert.id));
    return (answer.value() ?? []).filter((alert) => !known.has(alert.id)).map(newest);
  });
}

async function activeFromServer(): Promise<Alert[]> {
  const all: Alert[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < UNSHOWN_PAGES && (page === 0 || cursor !== null); page++) {
    const answer: Awaited<ReturnType<typeof api.alerts>> = await api.alerts({ state: "active", burst: "none" }, PAGE, cursor);
    all.push(...answer.alerts);
    cursor = answer.next;
  }
  return all;
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
    const page = await api.alerts({ state: "cleared" }, PAGE, cursor);
    setHistory((known) => (cursor === null ? page.alerts : [...known, ...page.alerts]));
    setOlder(page.next);
    setHistoryError(null);
  } catch (failure) {
    setHistoryError((failure as Error).message);
  }
}

/** Asks at once, and shows it as asked until the log has decided. */
export const acknowledge = (alert: Alert, comment: string): Promise<void> => ask(alert, () => api.acknowledge(alert.id, comment));

/** Gives back what somebody took on. */
export const unacknowledge = (alert: Alert): Promise<void> => ask(alert, () => api.unacknowledge(alert.id));

async function ask(alert: Alert, wish: () => Promise<Alert>): Promise<void> {
  setPending((ids) => new Set(ids).add(alert.id));
  setFailures((all) => without(all, alert.id));
  try {
    const answer = await wish();
    setTaken((all) => new Map(all).set(alert.id, answer));
    setTimeout(() => setPending((ids) => new Set([...ids].filter((id) => id !== alert.id))), 5000);
  } catch (failure) {
    setPending((ids) => new Set([...ids].filter((id) => id !== alert.id)));
    setFailures((all) => new Map(all).set(alert.id, (failure as Error).message));
  }
}

function settle(alert: Alert): void {
  if ((alert.state === "raised" && alert.unacknowledged === null) || !pending().has(alert.id)) return;
  setPending((ids) => new Set([...ids].filter((id) => id !== alert.id)));
}

function without(all: ReadonlyMap<string, string>, id: string): ReadonlyMap<string, string> {
  const rest = new Map(all);
  rest.delete(id);
  return rest;
}
