import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import { poll } from "../lib/api.js";
import { clients, isTrouble, reasonWords, type ClientName, type MqttClient } from "../lib/clients.js";
import { formatBytes, formatClock, formatExact, formatNumber, formatSpan, readable } from "../lib/format.js";
import { now } from "../lib/live.js";
import { route, setQuery } from "../lib/router.js";
import { ClientGlyph } from "../parts/ClientGlyph.js";
import { ClientPanel } from "../parts/ClientPanel.js";
import { Publish } from "../parts/Empty.js";
import { Refusals } from "../parts/Refusals.js";
import { Unseen } from "../parts/Unseen.js";
import { Failure } from "../parts/Failure.js";

const FIRST = "-i dev1 -t site/a/dev1/temperature -q 1 -m 21.5";
const PAGE = 100;
const LIMIT_MAX = 1000;
const STATES = [
  ["all", "All"],
  ["connected", "Connected"],
  ["sleeping", "Sleeping"],
  ["gone", "Gone"],
] as const;

/** Who is connected, who sleeps, who went and why. The address holds what is looked for and who is looked at. */
export function Clients() {
  const q = (): string => route().query.get("q") ?? "";
  const state = (): string => route().query.get("state") ?? "all";
  const chosen = createMemo<ClientName | null>(
    () => {
      const id = route().query.get("client");
      return id === null ? null : { id, principal: route().query.get("principal") };
    },
    null,
    { equals: (a, b) => a?.id === b?.id && a?.principal === b?.principal },
  );
  const [limit, setLimit] = createSignal(PAGE);
  const answer = poll(() => clients.list(q(), state(), limit()), 2000);
  createEffect(on([q, state, limit], () => answer.refresh(), { defer: true }));
  // Rows stay rows while they change: focus and selection do not jump with every answer.
  const [rows, setRows] = createStore<{ list: Keyed[] }>({ list: [] });
  createEffect(() => setRows("list", reconcile((answer.value()?.clients ?? []).map(keyed), { key: "key" })));
  const open = (client: MqttClient): void => setQuery({ client: client.id, principal: client.principal });
  return (
    <>
      <div class="head">
        <h1>Clients</h1>
        <Show when={answer.value()}>
          {(page) => (
            <span class="sub">
              {formatNumber(page().counts.connected)} connected, {formatNumber(page().counts.sleeping)} sleeping
            </span>
          )}
        </Show>
        <div class="tools">
          <Search q={q()} />
          <div class="segments" role="group" aria-label="Which clients">
            <For each={STATES}>
              {([name, title]) => (
                <button
                  type="button"
                  classList={{ on: state() === name }}
                  aria-pressed={state() === name}
                  onClick={() => setQuery({ state: name === "all" ? null : name })}
                >
                  {title}
                </button>
              )}
            </For>
          </div>
        </div>
      </div>
      <Failure why={answer.error()} />
      <Show
        when={answer.value()}
        fallback={
          <Show when={!answer.error()}>
            <div class="skeleton tall" role="progressbar" aria-label="Loading" />
          </Show>
        }
      >
        {(page) => (
          <Show when={page().clients.length > 0} fallback={<Nothing searched={q() !== "" || state() !== "all"} />}>
            <table class="list clients" classList={{ old: answer.error() !== null }}>
              <thead>
                <tr>
                  <Unseen words="State" />
                  <th>Client</th>
                  <th>From</th>
                  <th class="right">In</th>
                  <th class="right">Out</th>
                  <th class="right">Waiting</th>
                  <th class="right">Since</th>
                  <th>Last end</th>
                </tr>
              </thead>
              <tbody>
                <For each={rows.list}>
                  {(client) => (
                    <Row
                      client={client}
                      on={chosen()?.id === client.id && chosen()?.principal === client.principal}
                      onOpen={() => open(client)}
                    />
                  )}
                </For>
              </tbody>
            </table>
            <Show when={page().next !== null}>
              <Show when={limit() < LIMIT_MAX} fallback={<p class="sub">More clients than are shown: search for one.</p>}>
                <p>
                  <button class="button" type="button" onClick={() => setLimit(Math.min(LIMIT_MAX, limit() * 3))}>
                    Show more
                  </button>
                </p>
              </Show>
            </Show>
          </Show>
        )}
      </Show>
      <Refusals q={q()} />
      <Show when={chosen()} keyed>
        {(name) => <ClientPanel name={name} onClose={() => setQuery({ client: null, principal: null })} />}
      </Show>
    </>
  );
}

type Keyed = MqttClient & { key: string };

/** Clients of several principals may have one identifier. */
const keyed = (client: MqttClient): Keyed => ({ ...client, key: JSON.stringify([client.id, client.principal]) });

function Search(props: { q: string }) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const look = (text: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => setQuery({ q: text === "" ? null : text }), 150);
  };
  return (
    <input
      class="filter wide"
      type="search"
      value={props.q}
      placeholder="Identifier, user, address"
      aria-label="Search clients"
      autocomplete="off"
      onInput={(event) => look(event.currentTarget.value.trim())}
    />
  );
}

function Nothing(props: { searched: boolean }) {
  return (
    <div class="empty">
      <Show when={!props.searched} fallback={<h2>No client fits. Search for part of an identifier, a user or an address.</h2>}>
        <h2>No client yet. Connect one:</h2>
        <Publish rest={FIRST}>
          A client is here from the moment it connects, and stays for a while after it went or was refused, with the reason.
        </Publish>
      </Show>
    </div>
  );
}

function Row(props: { client: MqttClient; on: boolean; onOpen: () => void }) {
  const one = () => props.client;
  const rates = () => one().rates;
  const waiting = (): number => one().queued.messages;
  const who = (): string => (one().principal === null ? "turned away" : one().principal === "anonymous" ? "" : (one().principal as string));
  return (
    <tr
      data-row
      tabindex="0"
      classList={{ chosen: props.on, done: one().state !== "connected" }}
      onClick={() => props.onOpen()}
      onKeyDown={(event) => event.key === "Enter" && props.onOpen()}
    >
      <td class="state" title={one().state}>
        <ClientGlyph client={one()} />
        <span class="unseen">{one().state}</span>
      </td>
      <td class="who">
        <b class="clip">{readable(one().id)}</b>
        <Show when={who()}>
          <div class="sub clip">{who()}</div>
        </Show>
      </td>
      <td class="from">
        <Show when={one().address ?? one().last_end?.address}>{(address) => <span class="clip">{address()}</span>}</Show>
        <Show when={one().version}>
          <div class="sub">
            MQTT {one().version}, {one().transport}
          </div>
        </Show>
      </td>
      <td class="right in">
        {rates() ? (
          <>
            {formatNumber(rates()?.publications_per_second, 1)} <small>/s</small>
            <div class="sub">{formatBytes(rates()?.bytes_per_second)}/s</div>
          </>
        ) : (
          "–"
        )}
      </td>
      <td class="right out">
        {rates() ? (
          <>
            {formatNumber(rates()?.deliveries_per_second, 1)} <small>/s</small>
          </>
        ) : (
          "–"
        )}
      </td>
      <td class="right waiting" classList={{ some: waiting() > 0 }}>
        {one().state === "gone" ? "–" : formatNumber(waiting())}
        <Show when={waiting() > 0}>
          <div class="sub">{formatBytes(one().queued.bytes)}</div>
        </Show>
      </td>
      <td class="right since" title={formatExact(one().since)}>
        {formatClock(one().since, now())}
        <Show when={one().since}>{(since) => <div class="sub">{formatSpan(now() - since())}</div>}</Show>
      </td>
      <td class="end" classList={{ trouble: isTrouble(one().last_end) }} title={one().last_end?.detail ?? ""}>
        <Show when={one().last_end}>
          {(end) => (
            <>
              {reasonWords(end().reason)}
              <div class="sub">{formatClock(end().time, now())}</div>
            </>
          )}
        </Show>
      </td>
    </tr>
  );
}
