import { reconnectDelay } from "./backoff.js";
import type { Clock, Connect, Link } from "./ports.js";
import {
  isDelta,
  parseFrame,
  utf8Bytes,
  type ClientMessage,
  type Delta,
  type Pace,
  type ProtocolError,
  type ServerMessage,
  type ViewSpec,
  type ViewUpdate,
  type Welcome,
} from "./protocol.js";
import { ByteRate, PULSES, deadAfter, staleAfter, type Pulses, type Status } from "./status.js";
import { DeviceWay } from "./way.js";
import { View, type ViewHost, type ViewListener } from "./view.js";

const SEEN_BYTES = 4096;
const SEEN_AFTER_MS = 1_000;
const TICK_MS = 1_000;
const PING_EVERY_TICKS = 5;

/** A session that mends itself: it reconnects, resumes every view, and says how it is. */
export class LiveClient implements ViewHost {
  private readonly base = { time_base: 0 };
  private readonly views = new Map<number, View>();
  private readonly watchers = new Set<(status: Status) => void>();
  private readonly rate = new ByteRate();
  private readonly way = new DeviceWay();
  private nextId = 1;
  private nextPing = 1;
  private pinged = new Map<number, number>();
  private link: Link | null = null;
  private generation = 0;
  private welcomed = false;
  private attempt = 0;
  private hidden = false;
  private pulses: Pulses = PULSES;
  /** When the page was last shown again: silence before that means nothing. */
  private shownAt = 0;
  private pace: Pace | null = null;
  /** What holds single views back, by number. */
  private readonly paces = new Map<number, Pace>();
  private received = 0;
  private acknowledged = 0;
  private heard: number | null = null;
  private opened = 0;
  private wayMs: number | null = null;
  private offset = 0;
  private retryAt: number | null = null;
  private message: string | null = null;
  private askedDelay: number | null = null;
  private ticks = 0;
  private cancelTick: (() => void) | null = null;
  private cancelRetry: (() => void) | null = null;
  private cancelSeen: (() => void) | null = null;

  constructor(
    private readonly connect: Connect,
    private readonly clock: Clock,
  ) {}

  start(): void {
    this.dial();
    this.tick();
  }

  stop(): void {
    for (const cancel of [this.cancelTick, this.cancelRetry, this.cancelSeen]) cancel?.();
    this.generation++;
    this.link?.close();
    this.link = null;
  }

  /** Opens a view. It comes back by itself after every interruption, until it is closed. */
  open<Kind extends ViewSpec["kind"]>(spec: Extract<ViewSpec, { kind: Kind }>, listener: ViewListener): View<Kind> {
    const view = new View<Kind>(spec, listener, this.base, this);
    view.id = this.nextId++;
    this.views.set(view.id, view as unknown as View);
    if (this.welcomed) this.subscribe(view as unknown as View);
    return view;
  }

  changeView(view: View, update: ViewUpdate): void {
    const { rate: _, ...fields } = update;
    if (Object.keys(fields).length > 0) view.move(mergeUpdate(view.spec, fields));
    if (this.welcomed && this.views.get(view.id) === view) this.send({ type: "update", id: view.id, ...update });
  }

  closeView(view: View): void {
    if (!this.views.delete(view.id)) return;
    this.paces.delete(view.id);
    if (this.welcomed) this.send({ type: "unsubscribe", id: view.id });
  }

  /** The page is hidden or shown again. */
  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    if (!hidden) this.shownAt = this.clock.now();
    this.way.forget();
    if (this.welcomed) this.send({ type: hidden ? "pause" : "continue" });
    if (!hidden && this.retryAt !== null) this.dial();
    this.tell();
  }

  /** Tries now instead of later. */
  retryNow(): void {
    if (!this.link) this.dial();
  }

  /** The server's clock, Unix ms. */
  serverNow(): number {
    return this.clock.now() + this.offset;
  }

  watch(watcher: (status: Status) => void): () => void {
    this.watchers.add(watcher);
    watcher(this.status());
    return () => this.watchers.delete(watcher);
  }

  status(): Status {
    const now = this.clock.now();
    return {
      phase: this.phase(now),
      reason: this.held()?.reason ?? null,
      rate: this.held()?.rate ?? null,
      heard: this.heard,
      way_ms: this.wayMs,
      device_way_ms: this.way.median(),
      bytes_per_second: this.rate.at(now),
      retry_at: this.retryAt,
      message: this.message,
    };
  }

  private phase(now: number): Status["phase"] {
    if (!this.welcomed) return this.link && this.attempt === 0 ? "connecting" : "offline";
    if (now - Math.max(this.heard ?? now, this.shownAt) > staleAfter(this.pulses, this.hidden)) return "stale";
    if (this.hidden) return "paused";
    const held = this.held();
    return held && held.reason !== "paused" ? "slowed" : "live";
  }

  /** What holds updates back: all of them, or else those of one view. */
  private held(): Pace | null {
    return this.pace ?? this.paces.values().next().value ?? null;
  }

  private dial(): void {
    this.cancelRetry?.();
    this.retryAt = null;
    const generation = ++this.generation;
    const current = (): boolean => generation === this.generation;
    this.opened = this.clock.now();
    this.received = this.acknowledged = 0;
    this.link = this.connect({
      opened: () => current() && this.send({ type: "hello", protocol: 2, encoding: "json" }),
      received: (text) => current() && this.receive(text),
      closed: () => current() && this.lost(),
    });
    this.tell();
  }

  private lost(): void {
    this.generation++;
    this.link?.close();
    this.link = null;
    this.welcomed = false;
    this.pace = null;
    this.paces.clear();
    this.pinged.clear();
    this.way.forget();
    for (const view of this.views.values()) view.interrupt();
    this.cancelSeen?.();
    this.cancelSeen = null;
    const delay = this.askedDelay ?? reconnectDelay(this.attempt, this.clock.random());
    this.askedDelay = null;
    this.attempt++;
    this.retryAt = this.clock.now() + delay;
    this.cancelRetry = this.clock.after(delay, () => this.dial());
    this.tell();
  }

  private receive(text: string): void {
    this.heard = this.clock.now();
    this.count(utf8Bytes(text));
    const frame = parseFrame(text);
    if (!frame) return;
    if (isDelta(frame)) this.onDelta(frame);
    else this.onMessage(frame);
  }

  private onDelta(delta: Delta): void {
    const view = this.views.get(delta.d[0]);
    if (!view) return;
    this.way.take(view.spec.kind, delta, this.base.time_base, this.serverNow());
    if (view.takeDelta(delta)) return;
    // Not from where this view stands: ask anew under a new number, since frames of the old one may be under way.
    this.views.delete(view.id);
    this.paces.delete(view.id);
    this.send({ type: "unsubscribe", id: view.id });
    view.restart(this.nextId++);
    this.views.set(view.id, view);
    this.subscribe(view);
  }

  private onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        return this.onWelcome(message);
      case "snapshot":
        return this.views.get(message.id)?.takeSnapshot(message);
      case "gap":
        return this.views.get(message.id)?.listener.gap?.(message);
      case "pace":
        this.takePace(message);
        return this.tell();
      case "pulse":
        if (this.wayMs === null) this.offset = message.time - this.clock.now();
        return this.tell();
      case "pong":
        return this.onPong(message.n, message.time);
      case "goaway":
        this.askedDelay = message.reconnect_after_ms;
        this.message = "The server is restarting.";
        return;
      case "error":
        return this.onError(message);
    }
  }

  private takePace(pace: Pace): void {
    const holds = pace.reason !== "full";
    if (pace.id === undefined) this.pace = holds ? pace : null;
    else if (holds && this.views.has(pace.id)) this.paces.set(pace.id, pace);
    else this.paces.delete(pace.id);
  }

  private onWelcome(message: Welcome): void {
    this.welcomed = true;
    this.attempt = 0;
    this.message = null;
    this.base.time_base = message.time_base;
    this.pulses = { shown: message.pulse_ms ?? PULSES.shown, paused: message.pulse_paused_ms ?? PULSES.paused };
    this.offset = message.time - this.clock.now();
    if (this.hidden) this.send({ type: "pause" });
    for (const view of this.views.values()) this.subscribe(view);
    this.ping();
    this.tell();
  }

  private onPong(n: number, time: number): void {
    const sent = this.pinged.get(n);
    if (sent === undefined) return;
    this.pinged.delete(n);
    const now = this.clock.now();
    this.wayMs = (now - sent) / 2;
    this.offset = time - (sent + now) / 2;
    this.tell();
  }

  private onError(error: ProtocolError): void {
    if (error.code === 4200) this.askedDelay = error.retry_after_ms ?? null;
    if (error.id === undefined) this.message = error.message;
    else this.views.get(error.id)?.listener.refused?.(error);
  }

  private subscribe(view: View): void {
    this.send({ type: "subscribe", id: view.id, view: view.spec, ...(view.since === null ? {} : { since: view.since }) });
  }

  private count(bytes: number): void {
    this.received += bytes;
    this.rate.add(this.clock.now(), bytes);
    if (this.received - this.acknowledged >= SEEN_BYTES) this.saySeen();
    else this.cancelSeen ??= this.clock.after(SEEN_AFTER_MS, () => this.saySeen());
  }

  private saySeen(): void {
    this.cancelSeen?.();
    this.cancelSeen = null;
    if (!this.welcomed && this.acknowledged === this.received) return;
    this.acknowledged = this.received;
    this.send({ type: "seen", bytes: this.received });
  }

  private ping(): void {
    this.pinged.clear();
    this.pinged.set(this.nextPing, this.clock.now());
    this.send({ type: "ping", n: this.nextPing++ });
  }

  private tick(): void {
    const now = this.clock.now();
    const silent = now - Math.max(this.heard ?? 0, this.opened);
    if (this.link && silent > deadAfter(this.pulses)) this.lost();
    else if (this.welcomed && !this.hidden && ++this.ticks % PING_EVERY_TICKS === 0) this.ping();
    this.tell();
    this.cancelTick = this.clock.after(TICK_MS, () => this.tick());
  }

  private send(message: ClientMessage): void {
    this.link?.send(JSON.stringify(message));
  }

  private tell(): void {
    const status = this.status();
    for (const watcher of this.watchers) watcher(status);
  }
}

/** The view a later subscription must ask for, after `update`. */
function mergeUpdate(spec: ViewSpec, update: ViewUpdate): ViewSpec {
  const { add = [], remove = [], ...fields } = update;
  if (spec.kind === "devices" && spec.devices) {
    const gone = new Set(remove);
    return { ...spec, devices: [...spec.devices.filter((name) => !gone.has(name)), ...add] };
  }
  if (spec.kind === "series") {
    const { from, to, last, ...rest } = spec;
    const window =
      fields.last !== undefined
        ? { last: fields.last }
        : fields.from !== undefined
          ? fields
          : { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), ...(last === undefined ? {} : { last }) };
    return { ...rest, ...window, width: fields.width ?? spec.width };
  }
  return { ...spec, ...fields } as ViewSpec;
}
