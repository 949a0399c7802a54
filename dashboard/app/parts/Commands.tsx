import { createEffect, createSignal, For, Show } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import type { Command } from "../../client/index.js";
import { commands, laterSteps, payloadWords, standing, type CommandDefaults } from "../lib/commands.js";
import { formatClock, formatExact, formatTime, readable } from "../lib/format.js";
import { now, openView } from "../lib/live.js";
import { CommandForm } from "./CommandForm.js";
import { CommandGlyph } from "./CommandGlyph.js";
import { Unseen } from "./Unseen.js";
import { Failure } from "./Failure.js";

const SHOWN = 10;
const SHOWN_MORE = 100;
/** Times are also said relative to now within an hour. */
const RELATIVE_MS = 3_600_000;

/** What was sent to a device and what became of it, and a form to send more. */
export function Commands(props: { device: string }) {
  const [limit, setLimit] = createSignal(SHOWN);
  // No resource: the page above would wait for it.
  const [defaults, setDefaults] = createSignal<CommandDefaults | null>(null);
  const [failure, setFailure] = createSignal<string | null>(null);
  const load = async (): Promise<void> => {
    try {
      setDefaults(await commands.defaults(props.device));
      setFailure(null);
    } catch (error) {
      setFailure((error as Error).message);
    }
  };
  void load();
  return (
    <section class="box commands" aria-label="Commands">
      <h2>Commands</h2>
      <Failure why={failure()} again={load} />
      <Show when={defaults()} keyed>
        {(known) => <CommandForm device={props.device} defaults={known} />}
      </Show>
      <Show when={limit()} keyed>
        {(shown) => (
          <List
            device={props.device}
            usual={defaults()?.topic}
            limit={shown}
            onMore={shown < SHOWN_MORE ? () => setLimit(SHOWN_MORE) : null}
          />
        )}
      </Show>
    </section>
  );
}

function List(props: { device: string; usual: string | undefined; limit: number; onMore: (() => void) | null }) {
  const live = openView<"commands">({ kind: "commands", device: props.device, limit: props.limit });
  // Rows stay rows while their commands get on: focus and selection do not jump.
  const [rows, setRows] = createStore<{ list: Command[] }>({ list: [] });
  createEffect(() => setRows("list", reconcile(live.table()?.newest() ?? [], { key: "id" })));
  return (
    <Show
      when={!live.refused()}
      fallback={
        <p class="wrong" role="alert">
          {live.refused()}
        </p>
      }
    >
      <Show when={live.table()} fallback={<div class="skeleton lines" role="progressbar" aria-label="Loading" />}>
        <Show
          when={rows.list.length > 0}
          fallback={
            <p class="sub">
              None yet. A command waits for the device until its deadline, also while it sleeps; here you see when it was sent, when the
              device had it, and what it answered.
            </p>
          }
        >
          <table class="list sent">
            <thead>
              <tr>
                <Unseen words="State" />
                <th>Command</th>
                <th>What became of it</th>
                <th>Time</th>
              </tr>
            </thead>
            <tbody>
              <For each={rows.list}>{(command) => <Row command={command} usual={props.usual} />}</For>
            </tbody>
          </table>
          <Show when={rows.list.length >= props.limit}>
            <Show when={props.onMore} fallback={<p class="sub">The {props.limit} newest are shown.</p>}>
              {(more) => (
                <p>
                  <button class="button" type="button" onClick={() => more()()}>
                    Show more
                  </button>
                </p>
              )}
            </Show>
          </Show>
        </Show>
      </Show>
    </Show>
  );
}

/** `usual` is where commands go when nothing else is said; of those it need not be said again. */
function Row(props: { command: Command; usual: string | undefined }) {
  const command = () => props.command;
  const accepted = (): number | undefined => command().steps[0]?.time;
  return (
    <tr data-row tabindex="0">
      <td class="state">
        <CommandGlyph state={command().state} />
      </td>
      <td class="what">
        <Content command={command()} payload={command().payload} />
        <span class="sub breaks" title={command().topic}>
          {command().topic === props.usual ? "" : `${readable(command().topic)} · `}QoS {command().qos} · {readable(command().by)}
        </span>
      </td>
      <td class="became">
        <span class="word">{command().state}</span> <span class="sub">{standing(command(), now())}</span>
        <Show when={command().answer}>{(answer) => <Content command={command()} payload={answer()} />}</Show>
      </td>
      <td class="times">
        <span title={`accepted ${formatExact(accepted())}`}>
          {formatClock(accepted(), now())}{" "}
          <Show when={now() - (accepted() ?? 0) < RELATIVE_MS}>
            <span class="sub">{formatTime(accepted(), now())}</span>
          </Show>
        </span>
        <ol>
          <For each={laterSteps(command())}>
            {(step) => (
              <li title={formatExact(step.time)}>
                {step.state} <b>+{step.after}</b>
              </li>
            )}
          </For>
        </ol>
      </td>
    </tr>
  );
}

/** A payload; of a long one the beginning, with a way to all of it. */
function Content(props: { command: Command; payload: Command["payload"] }) {
  return (
    <code title={payloadWords(props.payload)}>
      {payloadWords(props.payload)}
      <Show when={props.payload.bytes !== undefined}>
        {" "}
        <a href={`/v1/commands/${props.command.id}`} target="_blank" rel="noopener">
          all of it
        </a>
      </Show>
    </code>
  );
}
