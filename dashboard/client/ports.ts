// What the SDK needs from the outside. It names no browser and no Node, so it runs in both.

/** An open or opening connection. */
export interface Link {
  send(text: string): void;
  close(): void;
}

/** What a link reports. `closed` comes once, and nothing after it. */
export interface LinkEvents {
  opened(): void;
  received(text: string): void;
  closed(): void;
}

/** Opens a connection to `/v1/live`. */
export type Connect = (events: LinkEvents) => Link;

/** Time and chance, so that a test can hold both still. */
export interface Clock {
  /** Unix ms. */
  now(): number;
  /** Calls back once after `delay_ms`; the answer cancels it. */
  after(delay_ms: number, callback: () => void): () => void;
  /** In [0, 1). */
  random(): number;
}
