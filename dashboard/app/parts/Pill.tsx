import { createMemo, Match, Show, Switch } from "solid-js";
import type { Phase } from "../../client/index.js";
import { formatBytes, formatClock, formatExact, formatNumber, formatSpan } from "../lib/format.js";
import { atMostEvery } from "../lib/frame.js";
import { client, gap, now, status } from "../lib/live.js";

const REASONS = {
  slow_link: "slow link",
  unseen: "nothing acknowledged",
  paused: "hidden",
  rate_limit: "rate limit",
  byte_limit: "byte limit",
  full: "",
} as const;

/** A screen reader hears of the connection at most so often. */
const SPOKEN_EVERY_MS = 5_000;
const SPOKEN: Record<Phase, string> = {
  live: "Live",
  slowed: "Slowed",
  paused: "Paused",
  stale: "Stale: the server is silent",
  connecting: "Connecting",
  offline: "Offline",
};

/** How the connection is and how old what you see may be: always in sight. */
export function Pill() {
  const phase = createMemo(() => status().phase);
  const spoken = atMostEvery(() => SPOKEN[phase()], SPOKEN_EVERY_MS);
  const since = (): string => (status().heard === null ? "" : formatSpan((now(), Date.now()) - (status().heard as number)));
  const wait = (): string => formatSpan(Math.max(0, (status().retry_at ?? 0) - (now(), Date.now())) + 999);
  /** From the device while readings come, else from the server; no shorter than that, whatever a device's clock says. */
  const way = (): number | null =>
    status().way_ms === null ? status().device_way_ms : Math.max(status().device_way_ms ?? 0, status().way_ms ?? 0);
  const milliseconds = (value: number | null): string => `${formatNumber(value, (value ?? 0) < 10 ? 1 : 0)} ms`;
  const details = (): string =>
    [
      status().message,
      status().heard && `Last heard ${formatExact(status().heard)}.`,
      status().device_way_ms !== null &&
        `From the device's measurement to this screen: ${milliseconds(status().device_way_ms)}, by the device's clock.`,
      status().way_ms !== null && `From the server: ${milliseconds(status().way_ms)}.`,
      gapWords(),
    ]
      .filter(Boolean)
      .join("\n");
  return (
    <>
      <span class="unseen" role="status">
        {spoken()}
      </span>
      <button class={`pill ${status().phase}`} type="button" title={details()} onClick={() => client.retryNow()}>
        <i class="dot" />
        <Switch>
          <Match when={status().phase === "live"}>
            <span>Live</span>
            <span class="more">
              <Show when={way() !== null}>· {milliseconds(way())} </Show>· {formatBytes(status().bytes_per_second)}/s
            </span>
          </Match>
          <Match when={status().phase === "slowed"}>
            Slowed, {REASONS[status().reason ?? "full"]}
            <Show when={status().rate}> · {formatNumber(status().rate, 1)}/s</Show>
          </Match>
          <Match when={status().phase === "paused"}>Paused</Match>
          <Match when={status().phase === "stale"}>Stale since {since()}</Match>
          <Match when={status().phase === "connecting"}>Connecting</Match>
          <Match when={status().phase === "offline"}>
            Offline<Show when={status().retry_at}> · again in {wait()}</Show>
          </Match>
        </Switch>
      </button>
    </>
  );
}

/** What was missed while away, and where it is. */
export function gapWords(): string {
  const missed = gap();
  if (!missed) return "";
  const mended = missed.done === "store" ? "filled from the store" : "shown anew; values in between are in the charts";
  return `Caught up ${formatClock(missed.told, now())}: ${mended}.`;
}
