import type { Delta, Gap, Position, ProtocolError, Snapshot, ViewSpec, ViewUpdate } from "./protocol.js";
import { emptyTable, type AnyTable, type Tables } from "./tables/index.js";
import type { Change, TimeBase } from "./tables/table.js";

export interface ViewListener {
  /** The table is another one (a snapshot arrived): show it anew. */
  replaced(): void;
  /** The table took a delta. */
  changed(change: Change<never>): void;
  /** The server refused the view. */
  refused?(error: ProtocolError): void;
  /** What was missed while away. */
  gap?(gap: Gap): void;
}

/** Where a view's owner reaches the connection. */
export interface ViewHost {
  changeView(view: View, update: ViewUpdate): void;
  closeView(view: View): void;
}

/** One subscription and what is known through it. It outlives connections. */
export class View<Kind extends ViewSpec["kind"] = ViewSpec["kind"]> {
  /** Number on the wire; another after each fresh start. */
  id = 0;
  /** Position the table stands at; `null` before the first whole snapshot. */
  at: Position | null = null;
  private current: AnyTable | null = null;
  private staged: AnyTable | null = null;
  private parts: Delta[] = [];
  private isMoved = false;

  constructor(
    public spec: ViewSpec,
    readonly listener: ViewListener,
    private readonly base: TimeBase,
    private readonly host: ViewHost,
  ) {}

  /** The newest whole picture; `null` before the first. */
  get table(): Tables[Kind] | null {
    return this.current as Tables[Kind] | null;
  }

  update(update: ViewUpdate): void {
    this.host.changeView(this as unknown as View, update);
  }

  close(): void {
    this.host.closeView(this as unknown as View);
  }

  /** Takes a part; shows the picture when it is whole. */
  takeSnapshot(part: Snapshot): void {
    if (part.part === 0 || !this.staged) this.staged = emptyTable(this.spec.kind, this.base);
    this.staged.load(part);
    if (!part.last) return;
    this.current = this.staged;
    this.staged = null;
    this.at = part.at;
    this.parts = [];
    this.isMoved = false;
    this.listener.replaced();
  }

  /** Takes a delta; `false` when it does not start where this view stands. */
  takeDelta(delta: Delta): boolean {
    const [, from, to] = delta.d;
    if (!this.current || this.at !== from) return false;
    this.parts.push(delta);
    if (delta.more) return true;
    const parts = this.parts;
    this.parts = [];
    this.at = to;
    this.isMoved = false;
    for (const part of parts) this.listener.changed(this.current.apply(part) as Change<never>);
    return true;
  }

  /** Where a new session may go on from; `null` when it needs the whole picture. */
  get since(): Position | null {
    return this.isMoved ? null : this.at;
  }

  /** Takes a new wish; the position belongs to the view before until an answer has shown the change. */
  move(spec: ViewSpec): void {
    this.spec = spec;
    this.isMoved = true;
  }

  /** The link broke: a delta or snapshot that was under way will not be completed. */
  interrupt(): void {
    this.parts = [];
    this.staged = null;
  }

  /** Forgets the place, keeps the picture until a new one is whole. */
  restart(id: number): void {
    this.id = id;
    this.at = null;
    this.interrupt();
  }
}
