import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { poll, Problem } from "../lib/api.js";
import { commands, isJson, listenerWords, newKey, type CommandDefaults, type Wish } from "../lib/commands.js";
import type { MqttClient } from "../lib/clients.js";
import { formatBytes, formatSpan } from "../lib/format.js";
import { isStale } from "../lib/live.js";

const DEADLINES_S = [60, 600, 3600, 86_400, 604_800];
const LISTENERS_EVERY_MS = 5000;
/** Who is there is looked at again later than that nobody is: the server has to look at every client for it. */
const LISTENERS_KEPT_MS = 30_000;

/** Sends one command. Where that would be in vain it says why instead. */
export function CommandForm(props: { device: string; defaults: CommandDefaults }) {
  const [wish, setWish] = createSignal<Wish>({
    topic: props.defaults.topic,
    payload: "",
    qos: props.defaults.qos,
    expires_in_s: props.defaults.expires_in_s,
  });
  const [isSending, setSending] = createSignal(false);
  const [failure, setFailure] = createSignal<string | null>(null);
  /** The wish whose answer did not come, and its key: asking for the same again must not send it twice. */
  let asked: { wish: string; key: string } | null = null;
  const change = (fields: Partial<Wish>): void => {
    setFailure(null);
    setWish((known) => ({ ...known, ...fields }));
  };
  const listeners = useListeners(() => wish().topic);
  const bytes = createMemo(() => new TextEncoder().encode(wish().payload).length);
  /** Why it cannot be sent now. */
  const reason = (): string | null => {
    if (isStale()) return "Not connected: what would become of it cannot be seen.";
    if (wish().topic === "") return "A command needs a topic.";
    if (bytes() > props.defaults.payload_bytes_max)
      return `The payload is ${formatBytes(bytes())}, at most ${formatBytes(props.defaults.payload_bytes_max)} are allowed.`;
    if (listeners.refused()) return listeners.refused();
    return listeners.found()?.length === 0
      ? `Nobody has subscribed to ${wish().topic}. Once the device has, it may sleep: what is sent then waits for it.`
      : null;
  };
  const send = async (): Promise<void> => {
    if (reason() !== null || isSending()) return;
    setSending(true);
    const text = JSON.stringify(wish());
    if (asked?.wish !== text) asked = { wish: text, key: newKey() };
    try {
      await commands.send(props.device, wish(), asked.key);
      asked = null;
      change({ payload: "" });
    } catch (error) {
      setFailure((error as Error).message);
    }
    setSending(false);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
  };
  return (
    <form class="command-form" onSubmit={(event) => (event.preventDefault(), void send())}>
      <label class="payload">
        <span>
          Payload
          <Show when={isJson(wish().payload)}>
            <small> sent as JSON</small>
          </Show>
        </span>
        <textarea
          rows="1"
          spellcheck={false}
          placeholder={'{"valve":"open"}'}
          value={wish().payload}
          onInput={(event) => change({ payload: event.currentTarget.value })}
          onKeyDown={onKey}
        />
      </label>
      <label class="topic">
        <span>Topic</span>
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={wish().topic}
          onInput={(event) => change({ topic: event.currentTarget.value.trim() })}
        />
      </label>
      <div class="qos" role="group" aria-label="QoS">
        <span>QoS</span>
        <div class="segments">
          <For each={[0, 1, 2] as const}>
            {(qos) => (
              <button
                type="button"
                classList={{ on: wish().qos === qos }}
                aria-pressed={wish().qos === qos}
                onClick={() => change({ qos })}
              >
                {qos}
              </button>
            )}
          </For>
        </div>
      </div>
      <label class="deadline">
        <span>Give up after</span>
        <Deadlines defaults={props.defaults} value={wish().expires_in_s} onChange={(expires_in_s) => change({ expires_in_s })} />
      </label>
      <button class="button primary" type="submit" disabled={reason() !== null || isSending()}>
        {isSending() ? "Asked…" : "Send"}
      </button>
      <Show
        when={failure() ?? reason()}
        fallback={<p class="said sub">{listeners.found() ? listenerWords(listeners.found() ?? []) : ""}</p>}
      >
        {(why) => (
          <p class="said" classList={{ wrong: failure() !== null }} role="alert">
            {why()}
          </p>
        )}
      </Show>
    </form>
  );
}

function Deadlines(props: { defaults: CommandDefaults; value: number; onChange: (span_s: number) => void }) {
  const spans = [...new Set([...DEADLINES_S, props.defaults.expires_in_s])]
    .filter((span_s) => span_s <= props.defaults.expires_in_max_s)
    .sort((one, other) => one - other);
  return (
    <select value={props.value} onChange={(event) => props.onChange(Number(event.currentTarget.value))}>
      <For each={spans}>
        {(span_s) => (
          <option value={span_s} selected={span_s === props.value}>
            {formatSpan(span_s * 1000)}
          </option>
        )}
      </For>
    </select>
  );
}

/** Who would get what is published to a topic, `null` where that is not known; and when it was asked, Unix ms. */
type Found = { of: string; found: MqttClient[] | null; asked: number };

/** Who has subscribed to a topic; `refused` is why nobody can be reached. */
function useListeners(topic: () => string) {
  const [refused, setRefused] = createSignal<string | null>(null);
  let last: Found | null = null;
  const ask = async (): Promise<Found> => {
    const of = topic();
    if (last?.of === of && (last.found?.length ?? 0) > 0 && Date.now() - last.asked < LISTENERS_KEPT_MS) return last;
    const asked = Date.now();
    try {
      const found = of === "" || /[+#]/.test(of) ? null : await commands.listeners(of);
      setRefused(null);
      return (last = { of, found, asked });
    } catch (error) {
      // Who may not see clients may send all the same, and is told by the server if not.
      setRefused(error instanceof Problem && error.type === "urn:tidegate:unsupported" ? error.message : null);
      return (last = { of, found: null, asked });
    }
  };
  const answer = poll(ask, LISTENERS_EVERY_MS);
  let timer: ReturnType<typeof setTimeout> | undefined;
  createEffect(
    on(
      topic,
      () => {
        clearTimeout(timer);
        timer = setTimeout(answer.refresh, 200);
      },
      { defer: true },
    ),
  );
  onCleanup(() => clearTimeout(timer));
  const found = () => (answer.value()?.of === topic() ? (answer.value()?.found ?? null) : null);
  return { found, refused };
}
