import { createEffect, For, Show } from "solid-js";
import { api, poll } from "../lib/api.js";
import { formatNumber } from "../lib/format.js";
import { inAlertOf, statesOf, total } from "../lib/groups.js";
import { inAlertTotal, inAlertWords, worstIn } from "../lib/inAlert.js";
import { setKeptFrom } from "../lib/kept.js";
import { roves } from "../lib/roving.js";
import { setQuery } from "../lib/router.js";
import { Glyph, STATES, STATE_WORDS } from "../parts/Glyph.js";
import type { Choice } from "./choice.js";
import type { Only } from "./matches.js";

/** How many devices there are, how many of them are in alert and in each state; a click shows only those. */
export function Figures(props: { choice: Choice }) {
  const stats = poll(api.stats, 5000);
  createEffect(() => setKeptFrom(stats.value()?.store?.kept_from ?? null));
  const group = () => props.choice.group();
  const counts = () => statesOf(group());
  const inAlert = () => inAlertOf(group());
  const isOn = (only: Only): boolean => props.choice.only() === only;
  const toggle = (only: Only): void => setQuery({ state: isOn(only) ? null : only });
  return (
    <div class="figures" role="group" aria-label="Devices by state" ref={roves}>
      <div class="figure">
        <b>{formatNumber(total(counts()))}</b>
        <span>devices</span>
      </div>
      <button
        class="figure"
        type="button"
        classList={{ on: isOn("alert"), none: inAlertTotal(inAlert()) === 0 }}
        aria-pressed={isOn("alert")}
        title={inAlertTotal(inAlert()) === 0 ? "No device is in alert" : `${inAlertWords(inAlert())}. Show only these`}
        onClick={() => toggle("alert")}
      >
        <b>{formatNumber(inAlertTotal(inAlert()))}</b>
        <span>
          <span class={`mark ${worstIn(inAlert()) ?? "none"}`}>
            <i />
          </span>
          in alert
        </span>
      </button>
      <For each={STATES}>
        {(state) => (
          <button
            class="figure"
            type="button"
            classList={{ on: isOn(state), none: counts()[state] === 0 }}
            aria-pressed={isOn(state)}
            title={`Show only ${state} devices`}
            onClick={() => toggle(state)}
          >
            <b>{formatNumber(counts()[state])}</b>
            <span>
              <Glyph state={state} />
              {STATE_WORDS[state]}
            </span>
          </button>
        )}
      </For>
      <Show when={group() === "" && stats.value()?.readings?.applied_per_second !== undefined}>
        <div class="figure">
          <b>{formatNumber(stats.value()?.readings?.applied_per_second, 0)}</b>
          <span>readings a second</span>
        </div>
      </Show>
    </div>
  );
}
