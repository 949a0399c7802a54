import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import type { Alert, Device as DeviceRow, Metric, Tables } from "../../client/index.js";
import { Chart } from "../chart/Chart.js";
import { chunks, latePoints, toColumns, type Columns } from "../chart/data.js";
import { Spark } from "../chart/Spark.js";
import { readRange, WINDOWS, type Range } from "../chart/windows.js";
import { api, csvHref, poll, type Rule } from "../lib/api.js";
import { exactValue, formatClock, formatExact, formatNumber, formatSpan, formatTime, formatValue, groupWords, metricLabel, readable, shortName, switchWords } from "../lib/format.js";
import { isStale, now, openView, type Live } from "../lib/live.js";
import { href, route, setQuery } from "../lib/router.js";
import { alertTitle, lasted, limitsOf, valuesText } from "../lib/rules.js";
import { learnUnits, shownAs, unitOf, type Unit } from "../lib/units.js";
import { Changes } from "../parts/Changes.js";
import { Commands } from "../parts/Commands.js";
import { Glyph, STATE_WORDS } from "../parts/Glyph.js";
import { Periods } from "../parts/Periods.js";
import { UnitMark } from "../parts/UnitMark.js";
import { Act } from "./Alerts.js";

const TREND_MS = 3_600_000;
/** They change with a restart of the server only. */
const RULES_EVERY_MS = 60_000;
const TREND_PIXELS = 240;
/** Series of one subscription (docs/protocol.md). */
const SERIES_MAX = 32;
const EMPTY: Columns = [[], [], [], []];

export default function Device(props: { id: string }) {
  const live = openView<"device">({ kind: "device", device: props.id });
  const device = createMemo<DeviceRow | undefined>(() => {
    const row = [...(live.table()?.rows.values() ?? [])][0];
    return row && { ...row };
  });
  const names = createMemo(() => device()?.metrics.map((metric) => metric.name).join("\n") ?? "");
  return (
    <Show when={device()} fallback={<Missing id={props.id} isMissing={(live.table()?.missing.length ?? 0) > 0} why={live.refused()} />}>
      {(one) => (
        <>
          <Heading device={one()} />
          <Show when={names()} keyed fallback={<p class="sub">No value yet.</p>}><Body device={one} /></Show>
          <Show when={one().id} keyed>{(id) => <Commands device={id} />}</Show>
        </>
      )}
    </Show>
  );
}

function Missing(props: { id: string; isMissing: boolean; why: string | null }) {
  return (
    <Show when={props.isMissing || props.why} fallback={<div class="skeleton tall" aria-label="Loading" />}>
      <div class="empty"><h2>{props.why ?? `No device is called ${readable(props.id)}.`}</h2><p>It appears here by itself when it is first heard of. Or find another with <kbd>/</kbd>.</p></div>
    </Show>
  );
}

function Heading(props: { device: DeviceRow }) {
  const windowIs = (name: string): boolean => !route().query.has("from") && (route().query.get("window") ?? "15m") === name;
  return (
    <div class="head">
      <h1 title={readable(props.device.id)}>{shortName(props.device.id)}</h1>
      <span class="chip" title={`Since ${formatExact(props.device.since)}`}><Glyph state={props.device.state} alert={props.device.alert !== null} />{STATE_WORDS[props.device.state]}{props.device.alert ? `, ${props.device.alert} alert` : ""}</span>
      <a class="sub" href={href("fleet", props.device.group)}>{groupWords(props.device.group)}</a>
      <div class="tools">
        <div class="segments" role="group" aria-label="Window">
          <For each={WINDOWS}>{(one) => <button type="button" classList={{ on: windowIs(one.name) }} aria-pressed={windowIs(one.name)} onClick={() => setQuery({ window: one.name, from: null, to: null })}>{one.words}</button>}</For>
        </div>
      </div>
    </div>
  );
}

/** Built anew when the device gets another metric: its charts subscribe by metric. */
function Body(props: { device: () => DeviceRow }) {
  const metrics = props.device().metrics;
  const series = metrics.map((metric) => ({ device: props.device().id, metric: metric.name }));
  const trends = chunks(series, SERIES_MAX).map((part) => openView<"series">({ kind: "series", series: part, last: TREND_MS, width: TREND_PIXELS }));
  const trendOf = (index: number): Columns => columnsOf(trends[Math.floor(index / SERIES_MAX)] as Live<"series">, index % SERIES_MAX);
  const ofDevice = openView<"alerts">({ kind: "alerts", device: props.device().id });
  const alerts = (): Alert[] => [...(ofDevice.table()?.alerts.values() ?? [])];
  /** The metric that was asked for, else the one that is in alert, else the first. */
  const chosen = createMemo(() => {
    const troubled = alerts().find((alert) => alert.state !== "cleared" && alert.metric !== null)?.metric;
    const place = (name: string | null | undefined): number => metrics.findIndex((metric) => metric.name === name);
    return [place(route().query.get("metric")), place(troubled)].find((index) => index >= 0) ?? 0;
  });
  /** What the chosen metric says: numbers and switches have a chart, words a list. */
  const kind = createMemo(() => typeof props.device().cells[chosen()]?.value);
  /** How the chosen metric shows: it changes with what its values are, not with each value, for its chart is built by it. */
  const style = createMemo<Unit>(
    () => shownAs(metrics[chosen()]?.name ?? "", props.device().cells[chosen()]?.value, metrics[chosen()] ?? { unit: null, decimals: null }),
    { unit: null, decimals: null },
    { equals: (a, b) => a.unit === b.unit && a.decimals === b.decimals && a.guessed === b.guessed },
  );
  // The charts do not wait for it: one without its rules' lines is better than none.
  const rules = poll(() => api.rules(props.device().id), RULES_EVERY_MS);
  learnUnits(metrics);
  return (
    <>
      <div class="metrics">
        <For each={metrics}>
          {(metric, i) => <MetricCard metric={props.device().metrics[i()] ?? metric} cell={props.device().cells[i()] ?? null} columns={trendOf(i())} isOn={chosen() === i()} />}
        </For>
      </div>
      <div class="split">
        <Show when={metrics[chosen()]} keyed>{(metric) => <Show when={kind() === "string"} fallback={<div class="stack">
          <History isSwitch={kind() === "boolean"} device={props.device().id} metric={{ name: metric.name, unit: style().unit, decimals: style().decimals, guessed: style().guessed === true }} rules={rules.value()?.rules ?? []} alerts={alerts().filter((alert) => alert.metric === null || alert.metric === metric.name)} />
          <Show when={kind() === "boolean"}><Periods device={props.device().id} metric={metric.name} isOn={props.device().cells[chosen()]?.value === true} /></Show>
        </div>}><Changes device={props.device().id} metric={metric.name} cell={props.device().cells[chosen()] ?? null} /></Show>}</Show>
        <div class="box facts">
          <dl class="dl">
            <dt>Last reading</dt><dd title={formatExact(props.device().time)}>{formatTime(props.device().time, now())}</dd>
            <dt>State</dt><dd>{STATE_WORDS[props.device().state]} since {formatClock(props.device().since, now())}</dd>
            <dt>Identifier</dt><dd><Levels name={props.device().id} /></dd>
            <dt>Group</dt><dd class="breaks">{groupWords(props.device().group)}</dd>
          </dl>
          <h2>Alerts</h2>
          <For each={alerts()} fallback={<p class="sub">None active, none in the last hour.</p>}>
            {(alert) => (
              <div class="alert" data-row tabindex="0">
                <i class={alert.state === "raised" ? alert.severity : "none"} />
                <span>{alertTitle(alert)}<br /><span class="sub" title={formatExact(alert.raised)}><Show when={valuesText(alert, (value) => formatNumber(value, unitOf(alert.metric).decimals))}>{(words) => <>{words()}, </>}</Show>{alert.cleared === null ? `since ${formatClock(alert.raised, now())}, for ` : `cleared ${formatClock(alert.cleared, now())}, after `}{formatSpan(lasted(alert, now()))}</span></span>
                <Act alert={alert} />
              </div>
            )}
          </For>
        </div>
      </div>
    </>
  );
}

/** An identifier, which breaks between its levels. */
function Levels(props: { name: string }) {
  const levels = () => props.name.split("/").map(readable);
  return <For each={levels()}>{(level, i) => <span class="level">{level}{i() < levels().length - 1 ? "/" : ""}</span>}</For>;
}

function columnsOf(live: Live<"series">, index: number): Columns {
  const table: Tables["series"] | null = live.table();
  return table ? toColumns(table.lines[index] ?? [], table.rung_ms) : EMPTY;
}

function MetricCard(props: { metric: Metric; cell: DeviceRow["cells"][number]; columns: Columns; isOn: boolean }) {
  const style = () => shownAs(props.metric.name, props.cell?.value, props.metric);
  const change = (): string => {
    // Neither words nor on and off go up or down.
    if (typeof props.cell?.value !== "number") return "";
    const known = props.columns[1].filter((mean): mean is number => mean !== null);
    if (known.length < 2) return "";
    const moved = (known[known.length - 1] as number) - (known[0] as number);
    const text = formatNumber(moved, style().decimals ?? 1);
    if (!/[1-9]/.test(text)) return "steady";
    const span = ((props.columns[0][props.columns[0].length - 1] ?? 0) - (props.columns[0][0] ?? 0)) * 1000;
    return `${moved > 0 ? "+" : ""}${text} in ${formatSpan(span)}`;
  };
  return (
    <button class="box metric" type="button" classList={{ on: props.isOn }} aria-pressed={props.isOn} onClick={() => setQuery({ metric: props.metric.name })}>
      <span class="title"><span>{metricLabel(props.metric.name)}</span><span>{change()}</span></span>
      <span class="value" title={`${exactValue(props.cell?.value, style().unit)}\n${formatExact(props.cell?.time)}`}>{formatValue(props.cell?.value, style().decimals)}<UnitMark style={style()} metric={props.metric.name} /></span>
      <Spark columns={props.columns} from={now() / 1000 - TREND_MS / 1000} to={now() / 1000} />
    </button>
  );
}

type Hover = { time: number; mean: number; lowest: number; highest: number } | null;

function History(props: { device: string; metric: Metric; isSwitch: boolean; rules: Rule[]; alerts: Alert[] }) {
  const [hover, setHover] = createSignal<Hover>(null);
  const range = createMemo<Range>(() => readRange(route().query), readRange(route().query), { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) });
  let width = 800;
  const live = openView<"series">({ kind: "series", series: [{ device: props.device, metric: props.metric.name }], ...range(), width });
  createEffect(on(range, (asked) => live.view.update({ ...asked, width }), { defer: true }));
  const resize = (pixels: number): void => {
    if (Math.abs(pixels - width) < 40 || pixels < 100) return;
    width = pixels;
    live.view.update({ ...range(), width });
  };
  const edges = createMemo<{ from: number; to: number }>(() => {
    const asked = range();
    return "last" in asked ? { from: (now() - asked.last) / 1000, to: now() / 1000 } : { from: asked.from / 1000, to: asked.to / 1000 };
  });
  const columns = createMemo(() => {
    const table = live.table();
    if (table && "last" in range()) table.trim(edges().from * 1000);
    return columnsOf(live, 0);
  });
  const limits = createMemo(() => limitsOf(props.rules, props.metric.name, props.metric));
  const late = createMemo(() => latePoints(live.table()?.lines[0] ?? []));
  const number = (value: number): string => (props.isSwitch ? switchWords(value) : formatNumber(value, props.metric.decimals ?? 1));
  const hint = (): string => `${props.isSwitch ? "line: share of readings that were on" : "line: mean · band: minimum to maximum"}${late().length > 0 ? " · ring: arrived late" : ""} · drag to zoom`;
  return (
    <div class="box">
      <div class="title">
        <span>{metricLabel(props.metric.name)}<Show when={props.metric.unit}>, <UnitMark style={props.metric} metric={props.metric.name} /></Show></span>
        <Show when={hover()} fallback={<span class="hint">{hint()}</span>}>
          {(at) => <span class="hovered" title={formatExact(at().time)}>{formatClock(at().time, now())} · <b>{number(at().mean)}</b><Show when={!props.isSwitch}> · {number(at().lowest)} to {number(at().highest)}</Show></span>}
        </Show>
        <Show when={"from" in range()}><button class="button" type="button" title="A double click on the chart returns too" onClick={() => setQuery({ from: null, to: null })}>Back to now</button></Show>
        <a class="button" title="The readings of this window, with times as you read them" download={`${shortName(props.device)}-${props.metric.name}.csv`} href={csvHref("readings", props.device, props.metric.name, edges().from * 1000, edges().to * 1000)}>CSV</a>
      </div>
      <Show when={live.refused()}>{(why) => <p class="wrong" role="alert">{why()}</p>}</Show>
      <Chart columns={columns()} late={late()} from={edges().from} to={edges().to} height={320} decimals={props.metric.decimals} isSwitch={props.isSwitch} alerts={props.alerts} limits={limits()} live={"last" in range() && !isStale()} label={`${metricLabel(props.metric.name)} over time`}
        onZoom={(from, to) => setQuery({ from: String(from), to: String(to) })} onReset={() => setQuery({ from: null, to: null })} onHover={setHover} onWidth={resize} />
      <Show when={live.table() && columns()[0].length === 0}><p class="sub">No value in this window.</p></Show>
    </div>
  );
}
