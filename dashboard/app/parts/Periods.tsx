import { createEffect, createSignal, For, on, onCleanup, Show, untrack } from "solid-js";
import { createRange } from "../chart/TimeTools.js";
import { api, csvHref, type Periods as Answer } from "../lib/api.js";
import { capital, formatClock, formatDuration, formatExact, plural, readable, shortName, type SwitchWords } from "../lib/format.js";
import { now } from "../lib/live.js";
import { Failure } from "./Failure.js";

const SHOWN = 50;
/** The page's clock goes by the second, and a reading may be ahead of the server; what is to come is not counted. */
const AHEAD_MS = 60_000;

/** When a switch was on within the window of its chart, newest first, and for how long in all. */
export function Periods(props: { device: string; metric: string; isOn: boolean; words?: SwitchWords | undefined }) {
  const range = createRange();
  const word = (): string => readable(props.words?.[1] ?? "on");
  const [answer, setAnswer] = createSignal<Answer | null>(null);
  const [failure, setFailure] = createSignal<string | null>(null);
  const edges = (at: number): [from: number, to: number] => {
    const shown = range();
    return "last" in shown ? [at - shown.last, at + AHEAD_MS] : [shown.from, shown.to];
  };
  let asked = 0;
  const load = async (): Promise<void> => {
    const turn = ++asked;
    const [from, to] = edges(untrack(now));
    try {
      const found = await api.periods(props.device, props.metric, from, to, SHOWN);
      if (turn !== asked) return;
      setAnswer(found);
      setFailure(null);
    } catch (error) {
      if (turn === asked) setFailure((error as Error).message);
    }
  };
  createEffect(on([range, () => props.isOn], () => void load()));
  onCleanup(() => asked++);
  const newestFirst = () => [...(answer()?.periods ?? [])].reverse();
  return (
    <div class="box">
      <div class="title">
        <span>
          {capital(word())}
          <Show when={answer()}>
            {(found) => (
              <>
                {" "}
                {plural(found().count, "time")}, {formatDuration(found().total_ms)} in all
              </>
            )}
          </Show>
        </span>
        <a
          class="button"
          download={`${shortName(props.device)}-${props.metric}-on.csv`}
          href={csvHref("periods", props.device, props.metric, ...edges(now()))}
        >
          CSV
        </a>
      </div>
      <Failure why={failure()} again={load} />
      <Show when={newestFirst().length > 0}>
        <table class="list changes periods">
          <thead>
            <tr>
              <th>{capital(word())} since</th>
              <th>Until</th>
              <th class="right">For</th>
            </tr>
          </thead>
          <tbody>
            <For each={newestFirst()}>
              {(period) => (
                <tr data-row tabindex="0">
                  <td title={formatExact(period.start)}>
                    {period.start === null ? "before the window" : formatClock(period.start, now())}
                  </td>
                  <td title={formatExact(period.end)}>{period.end === null ? `still ${word()}` : formatClock(period.end, now())}</td>
                  <td class="right">{formatDuration(period.duration_ms)}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </Show>
      <Show when={(answer()?.count ?? 0) > SHOWN}>
        <p class="sub">The {SHOWN} newest are shown; CSV has more.</p>
      </Show>
    </div>
  );
}
