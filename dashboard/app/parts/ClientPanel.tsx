import { createSignal, For, Show } from "solid-js";
import { poll } from "../lib/api.js";
import { clients, reasonWords, type ClientDetails, type ClientName } from "../lib/clients.js";
import { formatBytes, formatExact, formatNumber, formatSpan, formatTime, plural, readable } from "../lib/format.js";
import { now } from "../lib/live.js";
import { CLIENT_STATE_WORDS, ClientGlyph } from "./ClientGlyph.js";
import { Panel } from "./Panel.js";
import { Trace } from "./Trace.js";
import { Failure } from "./Failure.js";

/** One client beside the list: who it is, how it stands, what it subscribed to, what passes. */
export function ClientPanel(props: { name: ClientName; onClose: () => void }) {
  const answer = poll(() => clients.one(props.name), 2000);
  return (
    <Panel
      kind="client"
      label={`Client ${readable(props.name.id)}`}
      title={readable(props.name.id)}
      whole={readable(props.name.id)}
      onClose={props.onClose}
    >
      <Failure why={answer.error()} />
      <Show
        when={answer.value()}
        fallback={
          <Show when={!answer.error()}>
            <div class="skeleton lines" />
          </Show>
        }
      >
        {(one) => (
          <>
            <p class="sub with-glyph">
              <ClientGlyph client={one()} />
              {CLIENT_STATE_WORDS[one().state]}
              <Show when={one().since}>{(since) => <span title={formatExact(since())}>for {formatSpan(now() - since())}</span>}</Show>
            </p>
            <Facts one={one()} />
            <Filters one={one()} />
            <Disconnect one={one()} onDone={() => answer.refresh()} />
          </>
        )}
      </Show>
      <Trace id={props.name.id} />
    </Panel>
  );
}

function Facts(props: { one: ClientDetails }) {
  const one = () => props.one;
  const identity = (): string =>
    one().principal === null
      ? "not known: turned away"
      : `${one().principal}${one().proof && one().proof !== "anonymous" ? `, by ${one().proof}` : ""}`;
  const kept = (): string => {
    if (one().expires !== null) return `for ${formatSpan((one().expires as number) - now())} more`;
    return one().expiry_s === 0 ? "ends with the connection" : `${formatSpan((one().expiry_s as number) * 1000)} after the connection`;
  };
  return (
    <dl class="dl">
      <dt>Identity</dt>
      <dd class="breaks">{identity()}</dd>
      <Show when={one().address}>
        <dt>From</dt>
        <dd>{one().address}</dd>
      </Show>
      <Show when={one().version}>
        <dt>Speaks</dt>
        <dd>
          MQTT {one().version} over {one().transport}
        </dd>
      </Show>
      <Show when={one().heard}>
        {(heard) => (
          <>
            <dt>Last heard</dt>
            <dd title={formatExact(heard())}>{formatTime(heard(), now())}</dd>
          </>
        )}
      </Show>
      <Show when={one().keep_alive_s !== null}>
        <dt>Keep-alive</dt>
        <dd>{one().keep_alive_s === 0 ? "none" : `${one().keep_alive_s} s`}</dd>
      </Show>
      <Show when={one().expiry_s !== null || one().expires !== null}>
        <dt>Session</dt>
        <dd>{kept()}</dd>
      </Show>
      <Show when={one().totals}>
        {(totals) => (
          <>
            <dt>Published</dt>
            <dd>
              {formatNumber(totals().publications)} <small>· {formatBytes(totals().publication_bytes)}</small>
            </dd>
            <dt>Delivered to it</dt>
            <dd>{formatNumber(totals().deliveries)}</dd>
            <dt>In flight</dt>
            <dd>
              {formatNumber(one().in_flight.in)} <small>from it</small> · {formatNumber(one().in_flight.out)} <small>to it</small>
            </dd>
          </>
        )}
      </Show>
      <Show when={one().state !== "gone"}>
        <dt>Waiting for it</dt>
        <dd>
          {plural(one().queued.messages, "message")} <small>· {formatBytes(one().queued.bytes)}</small>
        </dd>
      </Show>
      <Show when={one().last_end}>
        {(end) => (
          <>
            <dt>Last end</dt>
            <dd title={formatExact(end().time)}>
              {reasonWords(end().reason)}, {formatTime(end().time, now())}
            </dd>
            <Show when={end().detail}>
              <dd class="whole sub">
                {end().detail}
                {end().address ? ` (${end().address})` : ""}
              </dd>
            </Show>
          </>
        )}
      </Show>
    </dl>
  );
}

function Filters(props: { one: ClientDetails }) {
  const options = (filter: ClientDetails["filters"][number]): string =>
    [
      `qos ${filter.qos}`,
      filter.no_local && "no local",
      filter.retain_as_published && "retain as published",
      filter.identifier !== null && `identifier ${filter.identifier}`,
    ]
      .filter(Boolean)
      .join(", ");
  return (
    <Show when={props.one.state !== "gone"}>
      <section>
        <h2>{plural(props.one.filters.length, "subscription")}</h2>
        <ul class="filters">
          <For each={props.one.filters}>
            {(filter) => (
              <li>
                <code>{filter.filter}</code> <span class="sub">{options(filter)}</span>
              </li>
            )}
          </For>
        </ul>
      </section>
    </Show>
  );
}

/** Asks before it does it, and says what it means. */
function Disconnect(props: { one: ClientDetails; onDone: () => void }) {
  const [asking, setAsking] = createSignal(false);
  const [session, setSession] = createSignal(false);
  const [error, setError] = createSignal<string | null>(null);
  const isConnected = (): boolean => props.one.state === "connected";
  const run = async (): Promise<void> => {
    try {
      await clients.disconnect(props.one, session() || !isConnected());
      setAsking(false);
      setError(null);
    } catch (failure) {
      setError((failure as Error).message);
    }
    props.onDone();
  };
  return (
    <Show when={props.one.state !== "gone"}>
      <Show
        when={asking()}
        fallback={
          <p>
            <button class="button" type="button" onClick={() => setAsking(true)}>
              {isConnected() ? "Disconnect…" : "Forget its session…"}
            </button>
          </p>
        }
      >
        <div class="ask" role="group" aria-label="Are you sure?">
          <p>
            {isConnected()
              ? "Its connection ends and its will is published. It may come back at once; to keep it out, take its password or rights."
              : "Its subscriptions end, and what waits for it is lost."}
          </p>
          <Show when={isConnected()}>
            <label class="check">
              <input type="checkbox" checked={session()} onChange={(event) => setSession(event.currentTarget.checked)} />
              Forget its session too: subscriptions, and what waits for it
            </label>
          </Show>
          <Failure why={error()} />
          <div class="buttons">
            <button class="button danger" type="button" onClick={() => void run()}>
              {isConnected() ? "Disconnect" : "Forget"}
            </button>
            <button class="button" type="button" onClick={() => setAsking(false)}>
              Cancel
            </button>
          </div>
        </div>
      </Show>
    </Show>
  );
}
