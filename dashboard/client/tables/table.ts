import type { Delta, Snapshot } from "../protocol.js";

/** What the server's relative times are relative to; the same object for all tables of a client. */
export interface TimeBase {
  /** Unix ms. */
  time_base: number;
}

/** What a part or a delta did to a table. */
export interface Change<Key> {
  /** Which keys are there, or in what order they are shown, may have changed. */
  structure: boolean;
  /** Keys whose content changed. */
  keys: Key[];
}

/** The cells of one view. It knows nothing of positions: whoever calls has checked them. */
export interface Table<Key = unknown> {
  /** Takes one part of a snapshot; parts come in order into an empty table. */
  load(part: Snapshot): void;
  /** Takes a delta whose base is where this table stands. */
  apply(delta: Delta): Change<Key>;
}
