// The one place where the SDK meets the browser.
import { createSignal, onCleanup, type Accessor } from "solid-js";
import { LiveClient, type Change, type Clock, type Gap, type Status, type Tables, type View, type ViewSpec } from "../../client/index.js";
import { onFrame } from "./frame.js";

const clock: Clock = {
  now: () => Date.now(),
  after: (delay_ms, callback) => {
    const timer = setTimeout(callback, delay_ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

export const client = new LiveClient((events) => {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`);
  socket.onopen = () => events.opened();
  socket.onmessage = (event) => events.received(String(event.data));
  socket.onclose = () => events.closed();
  return {
    send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
    close: () => socket.close(),
  };
}, clock);

const [status, setStatus] = createSignal<Status>(client.status());
const [now, setNow] = createSignal(Date.now());
/** The newest gap the server told of: what was missed while away, and how it was mended. */
const [gap, setGap] = createSignal<(Gap & { told: number }) | null>(null);
export { status, now, gap };

/** Whether what is on screen may no longer be true. */
export const isStale = (): boolean => status().phase === "stale" || status().phase === "offline";

export function startLive(): void {
  client.watch(setStatus);
  client.start();
  setInterval(() => setNow(Math.round(client.serverNow())), 1000);
  const follow = (): void => client.setHidden(document.visibilityState === "hidden");
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("online", () => client.retryNow());
  follow();
}

export interface Live<Kind extends ViewSpec["kind"]> {
  /** The newest whole picture, `null` before the first. Tracks changes, at most once a frame. */
  table: Accessor<Tables[Kind] | null>;
  /** Why the server refused, if it did. */
  refused: Accessor<string | null>;
  view: View<Kind>;
}

/** Opens a view for as long as the owner lives. */
export function openView<Kind extends ViewSpec["kind"]>(
  spec: Extract<ViewSpec, { kind: Kind }>,
  onChange?: (change: Change<never> | null, table: Tables[Kind]) => void,
): Live<Kind> {
  const [version, setVersion] = createSignal(0);
  const [refused, setRefused] = createSignal<string | null>(null);
  let dirty = false;
  let open = true;
  const touch = (): void => {
    if (dirty) return;
    dirty = true;
    onFrame(() => {
      dirty = false;
      if (open) setVersion((n) => n + 1);
    });
  };
  const view: View<Kind> = client.open<Kind>(spec, {
    replaced: () => {
      setRefused(null);
      if (view.table) onChange?.(null, view.table);
      touch();
    },
    changed: (change) => {
      if (view.table) onChange?.(change, view.table);
      touch();
    },
    refused: (error) => setRefused(error.message),
    gap: (missed) => setGap({ ...missed, told: now() }),
  });
  onCleanup(() => {
    open = false;
    view.close();
  });
  return { table: () => (version(), view.table), refused, view };
}
