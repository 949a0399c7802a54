import { LiveClient, type LinkEvents } from "../index.js";
import type { ClientMessage } from "../protocol.js";

/** A client over links and a clock that a test holds in its hand. */
export function harness() {
  const links: { events: LinkEvents; sent: ClientMessage[]; closed: boolean }[] = [];
  const timers = new Set<{ at: number; callback: () => void }>();
  let now = 1_704_723_845_000;
  const client = new LiveClient(
    (events) => {
      const link = { events, sent: [] as ClientMessage[], closed: false };
      links.push(link);
      return { send: (text) => void link.sent.push(JSON.parse(text) as ClientMessage), close: () => void (link.closed = true) };
    },
    {
      now: () => now,
      after: (delay_ms, callback) => {
        const timer = { at: now + delay_ms, callback };
        timers.add(timer);
        return () => timers.delete(timer);
      },
      random: () => 0,
    },
  );
  const newest = () => links[links.length - 1]!;
  return {
    client,
    links,
    sent: () => newest().sent,
    receive: (frame: object) => newest().events.received(JSON.stringify(frame)),
    welcome(epoch = "k3J", pulses = { pulse_ms: 5_000, pulse_paused_ms: 30_000 }) {
      newest().events.opened();
      newest().events.received(
        JSON.stringify({
          type: "welcome",
          protocol: 2,
          session: "s-17",
          epoch,
          time_base: 1_704_700_000_000,
          time: now,
          ...pulses,
          limits: {},
        }),
      );
    },
    drop: () => newest().events.closed(),
    /** Lets time pass, timers in order. */
    pass(span_ms: number) {
      const end = now + span_ms;
      for (;;) {
        const next = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        now = next.at;
        next.callback();
      }
      now = end;
    },
  };
}

export const silent = { replaced() {}, changed() {} };
export const DEV7 = {
  row: 342,
  id: "site/b/floor1/dev7",
  group: "site/b/floor1",
  state: "fresh",
  since: 23840000,
  alert: null,
  metrics: [
    ["temperature", "°C", 1],
    ["humidity", "%", 1],
  ],
  cells: [23845000, 23.5, 45.2],
};
