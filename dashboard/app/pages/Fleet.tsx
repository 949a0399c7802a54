import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import type { FleetCell } from "../../client/index.js";
import { createChoice, type Choice } from "../fleet/choice.js";
import { matches } from "../fleet/matches.js";
import { DeviceTable } from "../fleet/DeviceTable.js";
import { endsFor, limitsFor, settleEnds, type Ends } from "../fleet/ends.js";
import { entryOf } from "../fleet/entry.js";
import { Figures } from "../fleet/Figures.js";
import { Floor } from "../fleet/Floor.js";
import type { Focus } from "../fleet/FloorCells.js";
import { readPalette, type Look } from "../fleet/paint.js";
import { pitchFor } from "../fleet/pitch.js";
import { Tip } from "../fleet/Tip.js";
import { Tools } from "../fleet/Tools.js";
import { api, poll } from "../lib/api.js";
import { formatNumber, groupWords, plural } from "../lib/format.js";
import {
  aggregateOf,
  directCount,
  groupPaths,
  groupTable,
  hasBelow,
  lastLevel,
  nameWithin,
  parentOf,
  statesOf,
  total,
} from "../lib/groups.js";
import { status } from "../lib/live.js";
import { go, href } from "../lib/router.js";
import { palette, rem } from "../lib/theme.js";
import { shownAs, unitOf, type Unit } from "../lib/units.js";
import { refusal } from "../lib/refusal.js";
import { NoDevice } from "../parts/Empty.js";
import { SidePanel } from "../parts/SidePanel.js";

/** They change with a restart of the server only. */
const RULES_EVERY_MS = 60_000;
const coarse = matchMedia("(pointer: coarse)");

interface Goal {
  id: string;
  group: string;
}

export function Fleet() {
  const choice = createChoice();
  const { group, metric, rows } = choice;
  const [goal, setGoal] = createSignal<Goal | null>(null);
  const colours = createEnds(choice);
  /** Of the whole group's figures: one unit for one ramp. */
  const unit = (): Unit => shownAs(metric() ?? "", colours.ends()?.high, unitOf(metric()));
  return (
    <Show when={groupTable()} fallback={<Waiting />}>
      <Show when={total(statesOf("")) > 0} fallback={<NoDevice />}>
        <div class="head">
          <h1>{group() === "" ? "All devices" : lastLevel(group())}</h1>
          <span class="sub">
            {group().includes("/") ? `${groupWords(parentOf(group()))} · ` : ""}
            {plural(total(statesOf(group())), "device")} in {plural(rows().length, "group")}
          </span>
          <Tools choice={choice} ends={colours.ends()} unit={unit()} onFound={(id, path) => setGoal({ id, group: path })} />
        </div>
        <Figures choice={choice} />
        <Show when={!choice.isTable()} fallback={<DeviceTable choice={choice} />}>
          <Cells choice={choice} unit={unit()} ends={colours.ends()} goal={goal()} onValues={colours.take} />
        </Show>
      </Show>
    </Show>
  );
}

/** The ends of the colours: of the values in sight and the rules for them. */
function createEnds({ metric, group }: Choice) {
  const rules = poll(() => api.rules(), RULES_EVERY_MS);
  const limits = createMemo(() => limitsFor(rules.value()?.rules ?? [], metric() ?? "", group()));
  const unit = createMemo(() => unitOf(metric()).unit);
  const values = new Map<string, number[]>();
  const [ends, setEnds] = createSignal<Ends | null>(null);
  const settle = (): void => {
    const wanted = metric() ? endsFor([...values.values()].flat(), limits(), unit()) : null;
    if (wanted) setEnds((old) => settleEnds(old, wanted));
  };
  const take = (path: string, fresh: number[] | null): void => {
    // What goes out of sight takes nothing back: it may do so while the page is being left.
    if (!fresh) return void values.delete(path);
    values.set(path, fresh);
    settle();
  };
  createEffect(on([metric, group], () => (values.clear(), setEnds(null))));
  createEffect(on([limits, unit], () => (setEnds(null), settle()), { defer: true }));
  return { ends, take };
}

interface CellsProps {
  choice: Choice;
  unit: Unit;
  ends: Ends | null;
  /** The device that was looked for. */
  goal: Goal | null;
  onValues: (group: string, values: number[] | null) => void;
}

/** Stands for the devices of the page's group itself; no path is like it. */
const OWN = "/";

/** Every device as a cell, a row a group. */
function Cells(props: CellsProps) {
  const { group, metric, only, filter, rows } = props.choice;
  const [focus, setFocus] = createSignal<Focus | null>(null);
  const [opened, setOpened] = createSignal<string | null>(null);
  /** Width of the cells' column. */
  const [width, setWidth] = createSignal(0);
  const pitch = createMemo(() => pitchFor(Math.max(0, ...rows().map((path) => directCount(path))), width(), coarse.matches, rem() / 16));
  const look = createMemo<Look>(() => {
    palette();
    const [state, text] = [only(), filter()];
    return {
      pitch: pitch(),
      palette: readPalette(),
      ends: metric() ? (props.ends ?? { low: 0, high: 1 }) : null,
      matches: (cell) => matches(cell, state, text),
    };
  });
  /** The groups of one group stand together. Those of the page's own devices have a head of their own, but for the fleet's. */
  const sectionOf = (path: string): string => (path !== group() ? parentOf(path) : path === "" ? path : OWN);
  const sections = createMemo(() => [...new Set(rows().map(sectionOf))]);
  /** Never what the page is called. */
  const headOf = (section: string): string => {
    if (section === OWN) return hasBelow(group(), groupPaths()) ? "Devices of its own" : "Devices";
    if (section === group() && section !== "") return "Groups in it";
    return section === "" ? "Fleet" : nameWithin(section, group());
  };
  const isWithWords = (section: string): boolean => section !== OWN || !hasBelow(group(), groupPaths());
  const open = (cell: FleetCell): void => {
    if (opened() === cell.id) go(href("device", cell.id));
    else setOpened(cell.id);
  };
  const meant = (): string => (only() === null ? "" : only() === "alert" ? " in alert" : ` that is ${only()}`);
  return (
    <>
      <a class="skip within" href="#after-cells" onClick={skipCells}>
        Skip the cells
      </a>
      <For each={sections()} fallback={<p class="sub">No group here has a device{meant()}.</p>}>
        {(section) => (
          <section class="section">
            <h2>
              {headOf(section)}
              <Show when={isWithWords(section)}>
                <SectionWords path={section === OWN ? group() : section} metric={metric()} unit={props.unit} />
              </Show>
            </h2>
            <For each={rows().filter((path) => sectionOf(path) === section)}>
              {(path) => (
                <Floor
                  path={path}
                  metric={metric()}
                  unit={props.unit}
                  look={look}
                  isEntry={entryOf(rows()) === path}
                  goal={props.goal?.group === path ? props.goal.id : null}
                  onWidth={setWidth}
                  onFocus={setFocus}
                  onOpen={open}
                  onValues={props.onValues}
                />
              )}
            </For>
          </section>
        )}
      </For>
      <div id="after-cells" tabindex="-1" />
      <Tip focus={focus()} metric={metric()} unit={unitOf(metric())} />
      <Show when={opened()} keyed>
        {(id) => <SidePanel id={id} onClose={() => setOpened(null)} />}
      </Show>
    </>
  );
}

function skipCells(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("after-cells")?.focus();
}

function Waiting() {
  return (
    <Show when={status().phase === "offline"} fallback={<div class="skeleton tall" role="progressbar" aria-label="Loading" />}>
      <div class="empty">
        <Show
          when={refusal()}
          fallback={
            <>
              <h2>The server does not answer.</h2>
              <p>Check that tidegate runs. This page connects again by itself.</p>
            </>
          }
        >
          {(why) => (
            <>
              <h2>The server does not let this page in.</h2>
              <p role="alert">{why()}</p>
            </>
          )}
        </Show>
      </div>
    </Show>
  );
}

function SectionWords(props: { path: string; metric: string | undefined; unit: Unit }) {
  const figures = () => (props.metric ? aggregateOf(props.path, props.metric) : undefined);
  return (
    <span class="sub">
      {plural(total(statesOf(props.path)), "device")}
      <Show when={(figures()?.count ?? 0) > 0}>
        , {formatNumber(figures()?.mean, props.unit.decimals ?? 1)} {props.unit.unit} on average over {formatNumber(figures()?.count)} of{" "}
        {formatNumber(figures()?.devices)}
        {hasBelow(props.path, groupPaths()) ? ", groups below included" : ""}
      </Show>
    </span>
  );
}
