import { createEffect, createSignal, For, on, Show } from "solid-js";
import type { Schemas } from "../../client/index.js";
import { api } from "../lib/api.js";
import { formatExact, metricLabel, plural, readable } from "../lib/format.js";

type Trial = Schemas["Trial"];

/** What would come of a payload: nothing of it is kept. `topic` and `payload` are what it begins with. */
export function TryPayload(props: { topic: string; payload: string }) {
  const [topic, setTopic] = createSignal("");
  const [payload, setPayload] = createSignal("");
  const [trial, setTrial] = createSignal<Trial | null>(null);
  const [failure, setFailure] = createSignal<string | null>(null);
  /** The answer to an older question does not take the place of a newer one's. */
  let asked = 0;
  const run = async (): Promise<void> => {
    const turn = ++asked;
    try {
      const answer = await api.decode(topic(), payload());
      if (turn === asked) setTrial(answer), setFailure(null);
    } catch (error) {
      if (turn === asked) setTrial(null), setFailure((error as Error).message);
    }
  };
  createEffect(
    on(
      () => [props.topic, props.payload] as const,
      ([known, sample]) => {
        setTopic(known), setPayload(sample), setTrial(null), setFailure(null);
        if (known !== "") void run();
      },
    ),
  );
  return (
    <section class="try" aria-labelledby="try-title">
      <h2 id="try-title">Try a payload</h2>
      <p class="sub">What would come of it, by which rule, and what may have it understood. Nothing is kept.</p>
      <form onSubmit={(event) => (event.preventDefault(), void run())}>
        <label>
          <span>Topic</span>
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            required
            placeholder="site/b/dev7/data"
            value={topic()}
            onInput={(event) => setTopic(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Payload</span>
          <textarea
            rows="3"
            spellcheck={false}
            placeholder={'{"temperature":23.5}'}
            value={payload()}
            onInput={(event) => setPayload(event.currentTarget.value)}
          />
        </label>
        <button class="button primary" type="submit">
          Try it
        </button>
      </form>
      <div class="tried" role="status">
        <Show when={failure()}>{(why) => <p class="wrong">{why()}</p>}</Show>
        <Show when={trial()}>{(found) => <Tried trial={found()} />}</Show>
      </div>
    </section>
  );
}

function Tried(props: { trial: Trial }) {
  const [copied, setCopied] = createSignal("Copy");
  let shown: HTMLPreElement | undefined;
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied("Copied");
    } catch {
      // Browsers give the clipboard to pages of TLS and loopback alone.
      if (shown) getSelection()?.selectAllChildren(shown);
      setCopied("Selected: copy it with Ctrl+C");
    }
  };
  return (
    <>
      <p class="sub">{readBy(props.trial)}</p>
      <For each={props.trial.readings}>
        {(reading) => (
          <div class="reading">
            <b>{readable(reading.device)}</b>
            <span class="sub">
              {reading.group === "" ? "no group" : readable(reading.group)},{" "}
              {reading.time === null ? "time of its receipt" : formatExact(reading.time)}
            </span>
            <dl>
              <For each={Object.entries(reading.metrics)}>
                {([metric, value]) => (
                  <div>
                    <dt>{readable(metric)}</dt>
                    <dd>{String(value)}</dd>
                  </div>
                )}
              </For>
              <For each={reading.without_value}>
                {(metric) => (
                  <div>
                    <dt>{readable(metric)}</dt>
                    <dd class="sub">no value</dd>
                  </div>
                )}
              </For>
            </dl>
          </div>
        )}
      </For>
      <For each={props.trial.history}>
        {(series) => (
          <p class="sub">
            History of {readable(series.device)}: {plural(series.points, "value")} of {readable(series.metric)}
          </p>
        )}
      </For>
      <Show when={props.trial.availability.length + props.trial.devices.length + props.trial.metrics.length > 0}>
        <p class="sub">
          It also says something of {plural(props.trial.devices.length, "device")} and {plural(props.trial.metrics.length, "metric")}
          <For each={props.trial.availability}>
            {(said) => `, and that ${readable(said.device)} is ${said.connected ? "connected" : "gone"}`}
          </For>
          .
        </p>
      </Show>
      <For each={props.trial.problems}>
        {(problem) => (
          <p class="wrong">
            <b>{metricLabel(problem.reason)}</b> {problem.detail}
          </p>
        )}
      </For>
      <Show when={props.trial.proposal}>
        {(proposal) => (
          <div class="proposal">
            <p>This may have it understood. Look at it, and put it into the configuration:</p>
            <pre ref={shown} tabindex="0">
              {proposal()}
            </pre>
            <button class="button" type="button" onClick={() => void copy(proposal())}>
              {copied()}
            </button>
          </div>
        )}
      </Show>
    </>
  );
}

function readBy({ source, format, readings }: Trial): string {
  const by = source === null ? "" : ` [[source]] topic = "${source}"`;
  const what = readings.length === 0 ? "No reading" : plural(readings.length, "reading");
  if (format !== null) return `${what}, read as “${format}”${by === "" ? "" : `, with${by}`}.`;
  return by === "" ? "Topics that begin with $ belong to brokers: no telemetry is looked for there." : `${what}, read by${by}.`;
}
