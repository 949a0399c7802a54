import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import type { FleetCell } from "../../client/index.js";
import {
  deviceName,
  exactValue,
  formatExact,
  formatMeasured,
  formatMeasuredExact,
  formatNumber,
  formatTime,
  formatValue,
  groupWords,
  metricLabel,
  plural,
  readable,
} from "../lib/format.js";
import { atMostEvery } from "../lib/frame.js";
import { isUnkept, UNKEPT, UNKEPT_WHY } from "../lib/kept.js";
import { now, openView } from "../lib/live.js";
import { href, route, setQuery } from "../lib/router.js";
import { shownAs, unitOf } from "../lib/units.js";
import { Glyph, STATE_WORDS } from "../parts/Glyph.js";
import { UnitMark } from "../parts/UnitMark.js";
import type { Choice } from "./choice.js";
import { matches } from "./matches.js";
import { readSort, sorted, sortText, type Column } from "./sorting.js";

/** Rows that come at once. */
const PAGE = 100;
/** Values are taken up at most so often: a table that jumps cannot be read. */
const EVERY_MS = 1_000;

/** The devices of a group as rows, in any order. The order rests while one is in the table. */
export function DeviceTable(props: { choice: Choice }) {
  const choice = props.choice;
  const sort = createMemo(() => readSort(route().query.get("sort")));
  const [limit, setLimit] = createSignal(PAGE);
  const [isInside, setInside] = createSignal(false);
  const live = createMemo(
    on([choice.group, choice.metric], ([group, metric]) =>
      openView<"fleet">({ kind: "fleet", group, heard: true, ...(metric ? { metric } : {}) }),
    ),
  );
  let version = 0;
  const changed = createMemo(() => (live().table(), ++version));
  const settled = atMostEvery(changed, EVERY_MS);
  const meant = createMemo<FleetCell[]>(() => {
    settled();
    return [...(live().table()?.cells.values() ?? [])].filter((cell) => matches(cell, choice.only(), choice.filter()));
  });
  let order: string[] = [];
  let lastSort = sort();
  const ordered = createMemo<FleetCell[]>(() => {
    const by = sort();
    const known = new Map(meant().map((cell) => [cell.id, cell]));
    const isKept = isInside() && order.length === known.size && order.every((id) => known.has(id)) && lastSort === by;
    const list = isKept ? order.map((id) => known.get(id) as FleetCell) : sorted(meant(), by);
    order = list.map((cell) => cell.id);
    lastSort = by;
    return list;
  });
  const [rows, setRows] = createStore<{ list: FleetCell[] }>({ list: [] });
  createEffect(() =>
    setRows(
      "list",
      reconcile(
        ordered()
          .slice(0, limit())
          .map((cell) => ({ ...cell })),
        { key: "row" },
      ),
    ),
  );
  createEffect(on([sort, choice.filter, choice.only, choice.group], () => setLimit(PAGE), { defer: true }));
  return (
    <Show
      when={!live().refused()}
      fallback={
        <p class="wrong" role="alert">
          {live().refused()} Choose a group with fewer devices.
        </p>
      }
    >
      <Show when={live().table()} fallback={<div class="skeleton tall" role="progressbar" aria-label="Loading" />}>
        <Show when={rows.list.length > 0} fallback={<p class="sub">No device here is meant.</p>}>
          <table class="list devices" onPointerEnter={() => setInside(true)} onPointerLeave={() => setInside(false)}>
            <thead>
              <tr>
                <Header column="name" words="Device" />
                <Header column="state" words="State" />
                <Header column="alert" words="Alert" />
                <Header column="group" words="Group" />
                <Show when={choice.metric()}>
                  {(metric) => (
                    <>
                      <Header column="value" words={metricLabel(metric())} isRight />
                      <Header column="time" words="Measured" title={`When ${metricLabel(metric())} was measured`} isRight />
                    </>
                  )}
                </Show>
                <Header column="heard" words="Last heard" title="When the newest reading of any metric was" isRight />
              </tr>
            </thead>
            <tbody>
              <For each={rows.list}>{(cell) => <Row cell={cell} metric={choice.metric()} />}</For>
            </tbody>
          </table>
          <p class="sub">
            {plural(Math.min(limit(), meant().length), "device")} of {formatNumber(meant().length)}{" "}
            <Show when={meant().length > limit()}>
              <button class="button" type="button" onClick={() => setLimit(limit() * 3)}>
                Show more
              </button>
            </Show>
          </p>
        </Show>
      </Show>
    </Show>
  );
}

/** The head of a column: a press sorts by it, the next one the other way round. */
function Header(props: { column: Column; words: string; title?: string; isRight?: boolean }) {
  const sort = createMemo(() => readSort(route().query.get("sort")));
  const isOn = (): boolean => sort().by === props.column;
  const press = (): void =>
    setQuery({
      sort: sortText({ by: props.column, isDown: isOn() ? !sort().isDown : props.column !== "name" && props.column !== "group" }),
    });
  return (
    <th classList={{ right: props.isRight ?? false }} aria-sort={isOn() ? (sort().isDown ? "descending" : "ascending") : undefined}>
      <button
        class="sorts"
        type="button"
        classList={{ on: isOn() }}
        title={props.title ?? `Sort by ${props.words.toLowerCase()}`}
        onClick={press}
      >
        {props.words}
        <span aria-hidden="true">{isOn() ? (sort().isDown ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}

function Row(props: { cell: FleetCell; metric: string | undefined }) {
  const cell = () => props.cell;
  const style = () => shownAs(props.metric ?? "", cell().value, unitOf(props.metric));
  return (
    <tr data-row tabindex="0">
      <td class="who">
        <a href={href("device", cell().id)} title={readable(cell().id)}>
          {deviceName(cell())}
        </a>
      </td>
      <td class="state">
        <span class="with-glyph">
          <Glyph state={cell().state} />
          {STATE_WORDS[cell().state]}
          <Show when={isUnkept({ state: cell().state, time: cell().heard })}>
            <span class="wrong" title={UNKEPT_WHY}>
              , {UNKEPT}
            </span>
          </Show>
        </span>
      </td>
      <td class="alert-word">
        <Show when={cell().alert} fallback={<span class="sub">none</span>}>
          {(severity) => (
            <span class={`mark ${severity()}`}>
              <i />
              {severity()}
            </span>
          )}
        </Show>
      </td>
      <td class="where sub">{groupWords(cell().group)}</td>
      <Show when={props.metric}>
        <td class="right value" title={exactValue(cell().value, style().unit, style().words)}>
          {formatValue(cell().value, style().decimals, style().words)} <UnitMark style={style()} metric={props.metric ?? ""} />
        </td>
        <td class="right since measured" title={formatMeasuredExact(cell().time, cell().value)}>
          {formatMeasured(cell().time, cell().value, now())}
        </td>
      </Show>
      <td class="right since" title={formatExact(cell().heard)}>
        {formatTime(cell().heard, now())}
      </td>
    </tr>
  );
}
