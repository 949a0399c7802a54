import { createSignal, For, onCleanup, Show } from "solid-js";
import { followTrace, packetWords, reasonWords, type TraceLine } from "../lib/clients.js";
import { onFrame } from "../lib/frame.js";
import { formatNumber } from "../lib/format.js";
import { Failure } from "./Failure.js";

/** Lines that stay; a trace for the files is `tidegate trace`. */
const LINES_MAX = 300;

const BEGIN = {
  connected: "connected; packets show as they pass",
  sleeping: "sleeping; waiting for it",
  gone: "gone; waiting for it",
} as const;

/** The packets of one client as they pass. */
export function Trace(props: { id: string }) {
  const [lines, setLines] = createSignal<readonly TraceLine[]>([]);
  const [running, setRunning] = createSignal<AbortController | null>(null);
  const [payloads, setPayloads] = createSignal(false);
  const [error, setError] = createSignal<string | null>(null);
  let fresh: TraceLine[] = [];
  let list: HTMLOListElement | undefined;

  const show = (): void => {
    const follows = !list || list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    const added = fresh;
    fresh = [];
    setLines((known) => [...known, ...added].slice(-LINES_MAX));
    if (follows) list?.scrollTo(0, list.scrollHeight);
  };
  const start = async (): Promise<void> => {
    const controller = new AbortController();
    setRunning(controller);
    setError(null);
    const onLine = (line: TraceLine): void => {
      if (fresh.push(line) === 1) onFrame(show);
    };
    try {
      await followTrace(props.id, payloads(), onLine, controller.signal);
      setError("The server ended the trace.");
    } catch (failure) {
      if (!controller.signal.aborted) setError((failure as Error).message);
    }
    if (running() === controller) setRunning(null);
  };
  const stop = (): void => {
    running()?.abort();
    setRunning(null);
  };
  onCleanup(stop);
  return (
    <section class="traced">
      <div class="head">
        <h2>Trace</h2>
        <label class="check">
          <input
            type="checkbox"
            checked={payloads()}
            disabled={running() !== null}
            onChange={(event) => setPayloads(event.currentTarget.checked)}
          />
          Payloads
        </label>
        <button class="button" type="button" onClick={() => (running() ? stop() : void start())}>
          {running() ? "Stop" : "Start"}
        </button>
      </div>
      <Failure why={error()} />
      <Show
        when={lines().length > 0}
        fallback={
          <p class="sub">
            {running()
              ? "Waiting for packets"
              : "Shows packets in both directions as they pass. Payloads only when asked for, passwords never."}
          </p>
        }
      >
        <ol class="trace" ref={list} tabindex="0" aria-label="Packets">
          <For each={lines()}>{(line) => <Line line={line} />}</For>
        </ol>
      </Show>
    </section>
  );
}

function Line(props: { line: TraceLine }) {
  const line = props.line;
  const at = "time" in line ? <time>{clock(line.time)}</time> : null;
  switch (line.kind) {
    case "begin":
      return (
        <li class="note">
          {at} {line.state === null ? "never seen yet; waiting for it" : BEGIN[line.state]}
        </li>
      );
    case "end":
      return (
        <li class="note">
          {at} ended: {reasonWords(line.reason)}
        </li>
      );
    case "missed":
      return <li class="note">… {formatNumber(line.count)} packets not shown</li>;
    case "packet":
      return (
        <li title={`${line.bytes} bytes`}>
          {at} <span class={`way ${line.direction}`}>{line.direction === "in" ? "from it" : "to it"}</span> <b>{line.type}</b>{" "}
          {packetWords(line)}
        </li>
      );
  }
}

const two = (n: number, width = 2): string => String(n).padStart(width, "0");

/** To the millisecond, in this browser's time zone as all times of the page. */
function clock(time: number): string {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}
