import { createEffect, createSignal, For, Show } from "solid-js";
import { Heads, Sections } from "../alerts/Sections.js";
import { LineRow } from "../alerts/rows.js";
import { Rules, RULES_EVERY_MS } from "../alerts/Rules.js";
import {
  acknowledgedCount,
  activeLines,
  allAlerts,
  clearedAlerts,
  createUnshown,
  historyError,
  isBurst,
  loadHistory,
  older,
  raisedCount,
  type Line,
} from "../lib/alerts.js";
import { api, poll } from "../lib/api.js";
import { plural } from "../lib/format.js";
import { route, setQuery } from "../lib/router.js";
import { muted, setMuted } from "../lib/sound.js";
import { findUnit } from "../lib/units.js";
import { Failure } from "../parts/Failure.js";

/** Of those that cleared so many come at once. */
const PAGE = 100;
const TABS = [
  ["active", "Active"],
  ["recent", "Recent"],
  ["rules", "Rules"],
] as const;

export function Alerts() {
  const tab = (): string => route().query.get("show") ?? "active";
  return (
    <>
      <div class="head">
        <h1>Alerts</h1>
        <span class="sub">
          <Show when={allAlerts()}>{plural(raisedCount() + acknowledgedCount(), "active alert")}</Show>
          <Show when={acknowledgedCount() > 0}>, {acknowledgedCount()} acknowledged</Show>
        </span>
        <div class="tools">
          <div class="segments" role="group" aria-label="Which alerts">
            <For each={TABS}>
              {([name, words]) => (
                <button
                  type="button"
                  classList={{ on: tab() === name }}
                  aria-pressed={tab() === name}
                  onClick={() => setQuery({ show: name === "active" ? null : name })}
                >
                  {words}
                </button>
              )}
            </For>
          </div>
          <button class="button" type="button" aria-pressed={muted()} onClick={() => setMuted(!muted())}>
            {muted() ? "Sound is off" : "Mute sound"}
          </button>
        </div>
      </div>
      <Show when={tab() !== "rules"} fallback={<Rules />}>
        <Show when={allAlerts()} fallback={<div class="skeleton tall" role="progressbar" aria-label="Loading" />}>
          <Show when={tab() === "recent"} fallback={<Active />}>
            <Recent />
          </Show>
        </Show>
      </Show>
    </>
  );
}

/** What holds, by gravity and rule or group. */
function Active() {
  const unshown = createUnshown();
  const lines = (): Line[] => [...activeLines(), ...unshown()];
  learnUnits(lines);
  return (
    <Show when={lines().length > 0} fallback={<Nothing recent={false} />}>
      <Sections lines={lines()} />
    </Show>
  );
}

/** What cleared, newest first. */
function Recent() {
  const [limit, setLimit] = createSignal(PAGE);
  createEffect(() => void loadHistory(null));
  learnUnits(clearedAlerts);
  const more = (): void => {
    setLimit(limit() + PAGE);
    const cursor = older();
    if (limit() > clearedAlerts().length && cursor !== null) void loadHistory(cursor);
  };
  return (
    <Show when={clearedAlerts().length > 0} fallback={<Nothing recent />}>
      <table class="list alerts">
        <Heads value="Peak, when cleared" time="Cleared, after" />
        <tbody>
          <For each={clearedAlerts().slice(0, limit())}>{(alert) => <LineRow line={alert} />}</For>
        </tbody>
      </table>
      <Failure why={historyError()} />
      <Show when={clearedAlerts().length > limit() || older()}>
        <p>
          <button class="button" type="button" onClick={more}>
            Show older
          </button>
        </p>
      </Show>
    </Show>
  );
}

/** Of the decimals that a metric has at its device. */
function learnUnits(lines: () => readonly Line[]): void {
  createEffect(() => {
    for (const line of lines()) if (!isBurst(line) && line.metric !== null) void findUnit(line.metric, line.group);
  });
}

function Nothing(props: { recent: boolean }) {
  const rules = poll(() => api.rules(), RULES_EVERY_MS);
  const hasNone = (): boolean => rules.value()?.rules.length === 0;
  return (
    <div class="empty">
      <h2>
        {props.recent
          ? "No alert has cleared yet."
          : hasNone()
            ? "No alert, for no rule is set."
            : rules.value()
              ? "No alert. Everything within its rules."
              : "No alert."}
      </h2>
      <Show when={!props.recent}>
        <p>
          Rules are in the configuration under <code>[[alert]]</code>. An alert is here within a second of the reading.
        </p>
      </Show>
    </div>
  );
}
