import { createEffect, createSignal, For, on, onCleanup, Show, untrack } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import type { Cell } from "../../client/index.js";
import { createRange } from "../chart/TimeTools.js";
import { named, stayed, STAYS_MAX, staysOf, type Named, type Stay, type Stays } from "../lib/changes.js";
import { formatClock, formatExact, formatSpan, formatValue, metricLabel } from "../lib/format.js";
import { now } from "../lib/live.js";
import { Failure } from "./Failure.js";

/** A first reading so soon after the window began says nothing of when its value did. */
const EDGE_MS = 120_000;

/** Readings may be this far ahead of the server, as its default allows. */
const AHEAD_MS = 60_000;

/** How a metric of words went: what it said, since when and for how long, newest first. A chart has nothing to draw of it. */
export function Changes(props: { device: string; metric: string; cell: Cell | null }) {
  const range = createRange();
  const [stays, setStays] = createSignal<Stays | null>(null);
  const [failure, setFailure] = createSignal<string | null>(null);
  const [began, setBegan] = createSignal(0);
  let asked = 0;
  const load = async (): Promise<void> => {
    const [turn, shown] = [++asked, range()];
    const at = untrack(now);
    const [from, to] = "last" in shown ? [at - shown.last, at + AHEAD_MS] : [shown.from, shown.to];
    try {
      const answer = await staysOf(props.device, props.metric, from, to);
      if (turn !== asked) return;
      setBegan(from);
      setStays(withLive(answer));
      setFailure(null);
    } catch (error) {
      if (turn === asked) setFailure((error as Error).message);
    }
  };
  /** What came while history was being read. */
  const withLive = (known: Stays): Stays => {
    const [cell, last] = [untrack(() => props.cell), known.list[known.list.length - 1]];
    // What was handed over without a time is in no history.
    if (!cell || cell.time === null || !("last" in range())) return known;
    if (last && (cell.time < last.to || (cell.time === last.to && cell.value === last.value))) return known;
    return { ...known, list: stayed(known.list, cell.time, cell.value) };
  };
  createEffect(on(range, () => void load()));
  // Of several values since the delta before only the last came: history has the others.
  createEffect(
    on(
      () => [props.cell?.time, props.cell?.value],
      () => (props.cell?.between ? void load() : setStays((known) => known && withLive(known))),
      { defer: true },
    ),
  );
  onCleanup(() => asked++);

  // Rows stay rows while the newest goes on: focus and selection do not jump.
  const [rows, setRows] = createStore<{ newestFirst: Named[] }>({ newestFirst: [] });
  createEffect(() => setRows("newestFirst", reconcile(named(stays()?.list ?? []).reverse(), { key: "name" })));
  /** It said so from the first reading of the window on: it may have before. */
  const isOlder = (stay: Stay): boolean => stay.from - began() < EDGE_MS;
  const isNewest = (index: number): boolean => index === 0 && "last" in range();
  const until = (index: number, stay: Stay): number => (isNewest(index) ? now() : (rows.newestFirst[index - 1]?.from ?? stay.to));
  return (
    <div class="box">
      <div class="title">
        <span>{metricLabel(props.metric)}</span>
        <span class="hint">what it said, newest first</span>
      </div>
      <Failure why={failure()} again={load} />
      <Show
        when={stays()}
        fallback={
          <Show when={!failure()}>
            <div class="skeleton lines" role="progressbar" aria-label="Loading" />
          </Show>
        }
      >
        <Show when={rows.newestFirst.length > 0} fallback={<p class="sub">No value in this window.</p>}>
          <table class="list changes">
            <thead>
              <tr>
                <th>Value</th>
                <th>Since</th>
                <th class="right">For</th>
              </tr>
            </thead>
            <tbody>
              <For each={rows.newestFirst}>
                {(stay, index) => (
                  <tr data-row tabindex="0">
                    <td class="breaks">{stay.value === "" ? <span class="sub">empty</span> : formatValue(stay.value)}</td>
                    <td title={formatExact(stay.from)}>
                      {isOlder(stay) ? "before " : ""}
                      {formatClock(stay.from, now())}
                    </td>
                    <td class="right">{formatSpan(until(index(), stay) - stay.from)}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
          <Show when={stays()?.isCut}>
            <p class="sub">
              {rows.newestFirst.length >= STAYS_MAX
                ? `The ${STAYS_MAX} newest changes are shown.`
                : "Older readings of this window were not looked through."}
            </p>
          </Show>
        </Show>
      </Show>
    </div>
  );
}
