import { For, Show } from "solid-js";
import { exactValue, formatNumber, metricLabel } from "../lib/format.js";
import { roves } from "../lib/roving.js";
import { setQuery } from "../lib/router.js";
import type { Unit } from "../lib/units.js";
import { UnitMark } from "../parts/UnitMark.js";
import type { Choice } from "./choice.js";
import type { Ends } from "./ends.js";
import { Filter } from "./Filter.js";

/** Metrics with a button; the others are in a list. */
const BUTTONS = 5;

interface Props {
  choice: Choice;
  /** Of the colours; `null` where there are none. */
  ends: Ends | null;
  unit: Unit;
  onFound: (id: string, group: string) => void;
}

/** What is shown of the devices, and how. */
export function Tools(props: Props) {
  const choice = props.choice;
  const buttons = () => choice.metrics().slice(0, BUTTONS).sort();
  const show = (name: string): void => setQuery({ metric: name });
  return (
    <div class="tools">
      <Filter choice={choice} onFound={props.onFound} />
      <div class="segments" role="group" aria-label="Shown as" ref={roves}>
        <button
          type="button"
          classList={{ on: !choice.isTable() }}
          aria-pressed={!choice.isTable()}
          onClick={() => setQuery({ show: null })}
        >
          Cells
        </button>
        <button
          type="button"
          classList={{ on: choice.isTable() }}
          aria-pressed={choice.isTable()}
          onClick={() => setQuery({ show: "table" })}
        >
          Table
        </button>
      </div>
      <div class="segments" role="group" aria-label="Metric" ref={roves}>
        <For each={buttons()}>
          {(name) => (
            <button
              type="button"
              classList={{ on: choice.metric() === name }}
              aria-pressed={choice.metric() === name}
              onClick={() => show(name)}
            >
              {metricLabel(name)}
            </button>
          )}
        </For>
        <button type="button" classList={{ on: !choice.metric() }} aria-pressed={!choice.metric()} onClick={() => show("state")}>
          State
        </button>
      </div>
      <Show when={choice.metrics().length > BUTTONS}>
        <select
          class="filter"
          aria-label="Further metrics"
          onChange={(event) => event.currentTarget.value !== "" && show(event.currentTarget.value)}
        >
          <option value="" selected={buttons().includes(choice.metric() ?? "") || !choice.metric()}>
            More metrics
          </option>
          <For each={choice.metrics().slice(BUTTONS).sort()}>
            {(name) => (
              <option value={name} selected={choice.metric() === name}>
                {metricLabel(name)}
              </option>
            )}
          </For>
        </select>
      </Show>
      <Show when={choice.metric() && !choice.isTable() ? props.ends : null}>
        {(ends) => <Legend ends={ends()} unit={props.unit} metric={choice.metric() ?? ""} />}
      </Show>
    </div>
  );
}

/** What the colours mean. */
function Legend(props: { ends: Ends; unit: Unit; metric: string }) {
  const End = (end: { value: number; isLimit: boolean }) => (
    <span title={`${exactValue(end.value, props.unit.unit)}${end.isLimit ? ": a rule raises an alert beyond it" : ""}`}>
      {formatNumber(end.value)} <UnitMark style={props.unit} metric={props.metric} />
      <Show when={end.isLimit}> (limit)</Show>
    </span>
  );
  return (
    <span class="legend">
      <End value={props.ends.low} isLimit={props.ends.isLimit.low} />
      <i class="ramp" />
      <End value={props.ends.high} isLimit={props.ends.isLimit.high} />
    </span>
  );
}
