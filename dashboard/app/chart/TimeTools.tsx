import { createMemo, For } from "solid-js";
import { now } from "../lib/live.js";
import { route, setQuery } from "../lib/router.js";
import {
  dayName,
  dayNamed,
  hasNext,
  rangeQuery,
  readRange,
  sameRange,
  stepped,
  stretchOf,
  WINDOWS,
  yesterday,
  zoomed,
  type Range,
} from "./windows.js";

/** The stretch of time in the address. */
export function createRange(): () => Range {
  return createMemo<Range>(() => readRange(route().query), readRange(route().query), { equals: sameRange });
}

/** Puts a stretch into the address; the browser's way back leads to the one before. */
export const showRange = (range: Range): void => setQuery(rangeQuery(range), "steps");

const ZOOMS = [
  ["out", "−", "Zoom out"],
  ["in", "+", "Zoom in"],
] as const;

/** How long a stretch, which day, and one further or back. */
export function TimeTools() {
  const range = createRange();
  const isYesterday = (): boolean => sameRange(range(), yesterday(now()));
  const dayShown = (): number => ("last" in range() ? now() : stretchOf(range(), now()).from);
  return (
    <>
      <div class="segments" role="group" aria-label="Earlier and later">
        <button
          type="button"
          aria-label="One window earlier"
          title="One window earlier"
          onClick={() => showRange(stepped(range(), -1, now()))}
        >
          ‹
        </button>
        <button
          type="button"
          aria-label="One window later"
          title="One window later"
          disabled={!hasNext(range(), now())}
          onClick={() => showRange(stepped(range(), 1, now()))}
        >
          ›
        </button>
      </div>
      <div class="segments" role="group" aria-label="Zoom">
        <For each={ZOOMS}>
          {([by, sign, words]) => (
            <button type="button" aria-label={words} title={words} data-zoom={by} onClick={() => showRange(zoomed(range(), by, now()))}>
              {sign}
            </button>
          )}
        </For>
      </div>
      <input
        class="filter day"
        type="date"
        aria-label="Day"
        title="Show a day"
        max={dayName(now())}
        value={dayName(dayShown())}
        onChange={(event) => {
          const day = dayNamed(event.currentTarget.value);
          if (day) showRange(day);
        }}
      />
      <div class="segments" role="group" aria-label="Window">
        <For each={WINDOWS}>
          {(one) => {
            const isOn = (): boolean => sameRange(range(), { last: one.span_ms });
            return (
              <button type="button" classList={{ on: isOn() }} aria-pressed={isOn()} onClick={() => showRange({ last: one.span_ms })}>
                {one.words}
              </button>
            );
          }}
        </For>
        <button type="button" classList={{ on: isYesterday() }} aria-pressed={isYesterday()} onClick={() => showRange(yesterday(now()))}>
          Yesterday
        </button>
      </div>
    </>
  );
}
