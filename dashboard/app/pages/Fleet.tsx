import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show } from "solid-js";
import type { Aggregate, FleetCell, State } from "../../client/index.js";
import { FloorCells, type Focus } from "../fleet/FloorCells.js";
import { Filter } from "../fleet/Filter.js";
import { readPalette, type Look } from "../fleet/paint.js";
import { pitchFor } from "../fleet/pitch.js";
import { niceEnds, settleEnds, type Ends } from "../fleet/ramp.js";
import { api, poll } from "../lib/api.js";
import { formatNumber, formatTime, formatValue, groupWords, metricLabel, plural, shortName } from "../lib/format.js";
import { aggregateOf, directCount, groupPaths, groupTable, hasBelow, isBelow, lastLevel, nameWithin, parentOf, statesOf, total } from "../lib/groups.js";
import { now, status } from "../lib/live.js";
import { go, href, route, setQuery } from "../lib/router.js";
import { palette } from "../lib/theme.js";
import { findNames, findUnit, namesOf, offered, shownAs, unitOf, type Unit } from "../lib/units.js";
import { NoDevice } from "../parts/Empty.js";
import { Glyph, STATES, STATE_WORDS } from "../parts/Glyph.js";
import { SidePanel } from "../parts/SidePanel.js";

/** Metrics with a button; the others are in a list. */
const BUTTONS = 5;
const coarse = matchMedia("(pointer: coarse)");

export function Fleet() {
  // A memo: the colours start anew with another group, not with each change of the address.
  const group = createMemo<string>(() => route().name);
  const stats = poll(api.stats, 5000);
  const [focus, setFocus] = createSignal<Focus | null>(null);
  const [opened, setOpened] = createSignal<string | null>(null);
  const filter = (): string => route().query.get("q") ?? "";
  const onlyState = createMemo<State | null>(() => STATES.find((state) => state === route().query.get("state")) ?? null);
  const setOnlyState = (state: State | null): void => setQuery({ state });
  const [ends, setEnds] = createSignal<Ends | null>(null);
  const values = new Map<string, number[]>();

  /** With figures first, those of most devices in front; then what else the devices say: switches and words. */
  const metrics = createMemo<string[]>(
    () => offered([...(groupTable()?.aggregates.get(group()) ?? new Map<string, Aggregate>())], namesOf(group())),
    [],
    { equals: (a, b) => a.join("\n") === b.join("\n") },
  );
  const buttons = () => metrics().slice(0, BUTTONS).sort();
  /** The chosen metric; `undefined` shows states alone. */
  const metric = createMemo(() => {
    const asked = route().query.get("metric");
    if (asked === "state") return undefined;
    if (asked) return asked;
    return metrics().find((name) => name === "temperature") ?? metrics()[0];
  });
  /** Of the whole group's figures: one unit for one ramp. */
  const unit = (): Unit => shownAs(metric() ?? "", ends()?.high, unitOf(metric()));

  createEffect(on([metric, group], ([name, path]) => {
    values.clear();
    setEnds(null);
    void findNames(path);
    if (name) void findUnit(name, path);
  }));
  const takeValues = (path: string, fresh: number[] | null): void => {
    if (fresh) values.set(path, fresh);
    else values.delete(path);
    const wanted = niceEnds([...values.values()].flat());
    if (wanted && metric()) setEnds((old) => settleEnds(old, wanted));
  };
  const rows = createMemo<string[]>(
    () => groupPaths().filter((path) => isBelow(path, group()) && directCount(path, groupPaths()) > 0 && (!onlyState() || statesOf(path)[onlyState() as State] > 0)),
    [],
    { equals: (a, b) => a.join("\n") === b.join("\n") },
  );
  /** Width of the cells' column. */
  const [width, setWidth] = createSignal(0);
  const pitch = createMemo(() => pitchFor(Math.max(0, ...rows().map((path) => directCount(path, groupPaths()))), width(), coarse.matches));
  const look = createMemo<Look>(() => {
    palette();
    const text = filter().toLowerCase();
    const state = onlyState();
    return {
      pitch: pitch(),
      palette: readPalette(),
      ends: metric() ? (ends() ?? { low: 0, high: 1 }) : null,
      matches: (cell) => (!state || cell.state === state) && (text === "" || cell.id.toLowerCase().includes(text)),
    };
  });

  const sections = createMemo(() => [...new Set(rows().map((path) => (path === group() ? path : parentOf(path))))]);
  const counts = () => statesOf(group());
  const open = (cell: FleetCell): void => {
    if (opened() === cell.id) go(href("device", cell.id));
    else setOpened(cell.id);
  };

  return (
    <Show when={groupTable()} fallback={<Waiting />}>
      <Show when={total(statesOf("")) > 0} fallback={<NoDevice />}>
        <div class="head">
          <h1>{group() === "" ? "All devices" : lastLevel(group())}</h1>
          <span class="sub">{group().includes("/") ? `${groupWords(parentOf(group()))} · ` : ""}{plural(total(counts()), "device")} in {plural(rows().length, "group")}</span>
          <div class="tools">
            <Filter q={filter()} group={group()} />
            <div class="segments" role="group" aria-label="Metric">
              <For each={buttons()}>{(name) => <button type="button" classList={{ on: metric() === name }} aria-pressed={metric() === name} onClick={() => setQuery({ metric: name })}>{metricLabel(name)}</button>}</For>
              <button type="button" classList={{ on: !metric() }} aria-pressed={!metric()} onClick={() => setQuery({ metric: "state" })}>State</button>
            </div>
            <Show when={metrics().length > BUTTONS}>
              <select class="filter" aria-label="Further metrics" onChange={(event) => event.currentTarget.value !== "" && setQuery({ metric: event.currentTarget.value })}>
                <option value="" selected={buttons().includes(metric() ?? "") || !metric()}>More metrics</option>
                <For each={metrics().slice(BUTTONS).sort()}>{(name) => <option value={name} selected={metric() === name}>{metricLabel(name)}</option>}</For>
              </select>
            </Show>
            <Show when={metric() ? ends() : null}>
              {(range) => <span class="legend">{formatNumber(range().low)} {unit().unit}<i class="ramp" />{formatNumber(range().high)} {unit().unit}</span>}
            </Show>
          </div>
        </div>
        <div class="figures">
          <div class="figure"><b>{formatNumber(total(counts()))}</b><span>devices</span></div>
          <For each={STATES}>
            {(state) => (
              <button class="figure" type="button" classList={{ on: onlyState() === state, none: counts()[state] === 0 }} aria-pressed={onlyState() === state} title={`Show only ${state} devices`} onClick={() => setOnlyState(onlyState() === state ? null : state)}>
                <b>{formatNumber(counts()[state])}</b><span><Glyph state={state} />{STATE_WORDS[state]}</span>
              </button>
            )}
          </For>
          <Show when={stats.value()?.readings?.applied_per_second !== undefined}>
            <div class="figure"><b>{formatNumber(stats.value()?.readings?.applied_per_second, 0)}</b><span>readings a second{group() === "" ? "" : ", all groups"}</span></div>
          </Show>
        </div>
        <a class="skip within" href="#after-cells" onClick={skipCells}>Skip the cells</a>
        <For each={sections()} fallback={<p class="sub">No group here has a device{onlyState() ? ` that is ${onlyState()}` : ""}.</p>}>
          {(section) => (
            <section class="section">
              <h2>{section === "" ? "Fleet" : nameWithin(section, group())}<SectionWords path={section} metric={metric()} unit={unit()} /></h2>
              <For each={rows().filter((path) => (path === group() ? path : parentOf(path)) === section)}>
                {(path) => <Floor path={path} metric={metric()} unit={unit()} look={look} onWidth={setWidth} onFocus={setFocus} onOpen={open} onValues={takeValues} />}
              </For>
            </section>
          )}
        </For>
        <div id="after-cells" tabindex="-1" />
        <Show when={focus()}>{(at) => <Tip focus={at()} metric={metric()} unit={unitOf(metric())} />}</Show>
        <Show when={opened()} keyed>{(id) => <SidePanel id={id} onClose={() => setOpened(null)} />}</Show>
      </Show>
    </Show>
  );
}

function skipCells(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("after-cells")?.focus();
}

function Waiting() {
  return (
    <Show when={status().phase === "offline"} fallback={<div class="skeleton tall" aria-label="Loading" />}>
      <div class="empty"><h2>The server does not answer.</h2><p>Check that tidegate runs. This page connects again by itself.</p></div>
    </Show>
  );
}

function SectionWords(props: { path: string; metric: string | undefined; unit: Unit }) {
  const figures = () => (props.metric ? aggregateOf(props.path, props.metric) : undefined);
  return (
    <span class="sub">
      {plural(total(statesOf(props.path)), "device")}
      <Show when={(figures()?.count ?? 0) > 0}>, {formatNumber(figures()?.mean, props.unit.decimals ?? 1)} {props.unit.unit} on average over {formatNumber(figures()?.count)} of {formatNumber(figures()?.devices)}{hasBelow(props.path, groupPaths()) ? ", groups below included" : ""}</Show>
    </span>
  );
}

interface FloorProps {
  path: string;
  metric: string | undefined;
  unit: Unit;
  look: () => Look;
  onWidth: (pixels: number) => void;
  onFocus: (focus: Focus | null) => void;
  onOpen: (cell: FleetCell) => void;
  onValues: (group: string, values: number[] | null) => void;
}

/** One group of devices: name, cells, aggregates. Only near the screen does it hold a canvas and a subscription. */
function Floor(props: FloorProps) {
  let box!: HTMLDivElement;
  const [near, setNear] = createSignal(false);
  const [width, setWidth] = createSignal(600);
  onMount(() => {
    const measure = new ResizeObserver(() => {
      setWidth(box.clientWidth);
      props.onWidth(box.clientWidth);
    });
    measure.observe(box);
    const watcher = new IntersectionObserver((entries) => setNear(entries[entries.length - 1]?.isIntersecting ?? false), { root: box.closest("main"), rootMargin: "300px 0px" });
    watcher.observe(box);
    onCleanup(() => {
      watcher.disconnect();
      measure.disconnect();
    });
  });
  const count = (): number => directCount(props.path, groupPaths());
  const height = (): string => `${Math.ceil(count() / Math.max(1, Math.floor(width() / props.look().pitch))) * props.look().pitch}px`;
  /** Of the devices beside it: the server's are of the groups below too. */
  const [own, setOwn] = createSignal<Aggregate | undefined>();
  const figures = () => (!props.metric ? undefined : hasBelow(props.path, groupPaths()) ? own() : aggregateOf(props.path, props.metric));
  const digits = () => props.unit.decimals ?? 1;
  const label = () => `${groupWords(props.path)}: ${plural(count(), "device")}, ${statesOf(props.path).fresh} fresh`;
  return (
    <div class="floor" data-row data-path={props.path}>
      <a class="name clip" href={href("fleet", props.path)}>{lastLevel(props.path) || "No group"}</a>
      <div class="holder" ref={box} style={{ "min-height": height() }}>
        <Show when={near()}>
          <FloorCells group={props.path} metric={props.metric} look={props.look} label={label()} onFocus={props.onFocus} onOpen={props.onOpen} onValues={props.onValues} onFigures={setOwn} />
        </Show>
      </div>
      <dl class="aggregate">
        <Show when={(figures()?.count ?? 0) > 0 && figures()}>
          {(one) => (
            <>
              <dt>mean</dt><dd>{formatNumber(one().mean, Math.max(1, digits()))} <small>{props.unit.unit}</small></dd>
              <dt class="wide">min to max</dt><dd class="wide"><Extreme value={one().lowest} device={one().lowestOf} digits={digits()} /> to <Extreme value={one().highest} device={one().highestOf} digits={digits()} /></dd>
              <dt class="wide" title="Devices whose value is in the figures">counted</dt><dd class="wide">{formatNumber(one().count)} of {formatNumber(one().devices)}</dd>
            </>
          )}
        </Show>
        <Show when={!figures()?.count}><dt>fresh</dt><dd>{formatNumber(statesOf(props.path).fresh)} of {formatNumber(total(statesOf(props.path)))}</dd></Show>
      </dl>
    </div>
  );
}

/** An extreme, which leads to the device that has it. */
function Extreme(props: { value: number | null; device: string | null; digits: number }) {
  const text = (): string => formatNumber(props.value, props.digits);
  return <Show when={props.device} fallback={text()}>{(id) => <a href={href("device", id())} title={shortName(id())}>{text()}</a>}</Show>;
}

function Tip(props: { focus: Focus; metric: string | undefined; unit: Unit }) {
  const left = () => Math.min(props.focus.left + props.focus.size + 4, innerWidth - 240);
  const top = () => Math.min(props.focus.top + props.focus.size + 4, innerHeight - 110);
  const cell = () => props.focus.cell;
  const style = () => shownAs(props.metric ?? "", cell().value, props.unit);
  return (
    <div class="tip" role="status" style={{ left: `${left()}px`, top: `${top()}px` }}>
      <b>{shortName(cell().id)}</b>
      <Show when={props.metric}><span class="big">{formatValue(cell().value, style().decimals)} <small>{style().unit}</small></span></Show>
      <span class="sub with-glyph"><Glyph state={cell().state} alert={cell().alert !== null} />{STATE_WORDS[cell().state]}{cell().alert ? `, ${cell().alert} alert` : ""} · {formatTime(cell().time, now())}</span>
    </div>
  );
}
