import { createMemo, createSignal, Show } from "solid-js";
import type { Alert, Metric } from "../../client/index.js";
import { csvHref, type Rule } from "../lib/api.js";
import { exactValue, formatClock, formatExact, formatNumber, metricName, readable, shortName, switchWords } from "../lib/format.js";
import { isStale, now } from "../lib/live.js";
import { setQuery } from "../lib/router.js";
import { limitsOf } from "../lib/rules.js";
import { UnitMark } from "../parts/UnitMark.js";
import { Chart, type Line } from "./Chart.js";
import { EMPTY, indexAt, latePoints, type Columns } from "./data.js";
import type { Role } from "./ink.js";
import { besides, isBefore, Legend } from "./Legend.js";
import { createLines } from "./lines.js";
import { createRange, showRange } from "./TimeTools.js";
import { stretchOf, type Stretch } from "./windows.js";
import { Failure } from "../parts/Failure.js";

interface Props {
  device: string;
  metric: Metric;
  isSwitch: boolean;
  rules: Rule[];
  alerts: Alert[];
}

/** Narrower changes of the box ask for no other buckets, CSS pixels. */
const WIDTH_STEP = 40;
/** How far from the pointer a line may have its value, share of the chart. */
const REACH = 0.05;

/** One metric over time: of its device, of others put beside it, and a week before. */
export function History(props: Props) {
  const [hover, setHover] = createSignal<number | null>(null);
  const [width, setWidth] = createSignal(800);
  const range = createRange();
  const others = createMemo(() => besides(props.device), [], { equals: (a, b) => a.join("\n") === b.join("\n") });
  const seriesOf = (devices: string[]) => devices.map((device) => ({ device, metric: props.metric.name }));
  const main = createLines({ series: () => seriesOf([props.device]), first: 0, role: "main", range, width });
  const beside = createLines({ series: () => seriesOf(others()), first: 1, role: "beside", range, width });
  const before = createLines({
    series: () => (isBefore() ? seriesOf([props.device, ...others()]) : []),
    first: 0,
    role: "before",
    range,
    width,
  });
  const lines = createMemo<Line[]>(() => [...main.lines(), ...beside.lines(), ...before.lines()]);
  const refused = (): string | null =>
    [main, beside, before].map((one) => one.live()?.refused() ?? null).find((why) => why !== null) ?? null;
  const late = createMemo(() => latePoints(main.live()?.table()?.lines[0] ?? []));
  const seam = createMemo(() => main.live()?.table()?.seams[0] ?? null, null, {
    equals: (a, b) => a?.at === b?.at && a?.missing === b?.missing,
  });
  const older = (): string => (seam()?.older === "influxdb" ? "InfluxDB" : (seam()?.older ?? ""));
  const mark = createMemo(() => {
    const one = seam();
    return one && { time: one.at / 1000, text: one.missing === null ? `from ${older()}` : `not from ${older()}` };
  });
  const missing = (): string | null => {
    const why = seam()?.missing;
    return why ? `What is older than the dotted line is missing: ${why}` : null;
  };
  const edges = createMemo<Stretch>(() => {
    const { from, to } = stretchOf(range(), now());
    return { from: from / 1000, to: to / 1000 };
  });
  const limits = createMemo(() => limitsOf(props.rules, props.metric.name, props.metric));
  const words = () => props.metric.about?.words;
  const number = (value: number): string =>
    props.isSwitch ? switchWords(value, words()) : formatNumber(value, props.metric.decimals ?? 1);
  const reading = (of: number, role: Role): string => {
    const columns = lines().find((line) => line.number === of && line.role === role)?.columns;
    const at = columns && indexAt(columns, hover() ?? edges().to, (edges().to - edges().from) * REACH);
    return typeof at === "number" ? `${number(columns?.[1][at] as number)}` : "–";
  };
  const zoom = ({ from, to }: Stretch): void => {
    const end = Math.round(Math.min(to, now()));
    const isNow = "last" in range() && to >= now() && Math.abs(to - from - (edges().to - edges().from) * 1000) < 1000;
    if (isNow) return;
    showRange({ from: Math.round(from - (to > end ? to - end : 0)), to: end });
  };
  const reset = (): void => setQuery({ from: null, to: null });
  const hint = (): string =>
    [
      props.isSwitch ? `line: share of readings that were ${readable(words()?.[1] ?? "on")}` : "line: mean · band: minimum to maximum",
      late().length > 0 && "ring: arrived late",
      (seam()?.at ?? 0) / 1000 > edges().from && `left of the dotted line: ${older()}`,
      "drag to zoom",
    ]
      .filter(Boolean)
      .join(" · ");
  return (
    <div class="box">
      <div class="title">
        <span>
          {metricName(props.metric)}
          <Show when={props.metric.unit}>
            , <UnitMark style={props.metric} metric={props.metric.name} />
          </Show>
        </span>
        <Show when={hover()} fallback={<span class="hint">{hint()}</span>}>
          {(time) => (
            <Hovered
              columns={lines()[0]?.columns ?? EMPTY}
              time={time()}
              reach={(edges().to - edges().from) * REACH}
              words={number}
              isSwitch={props.isSwitch}
              unit={props.metric.unit}
            />
          )}
        </Show>
        <Show when={"from" in range()}>
          <button class="button" type="button" title="A double click on the chart returns too" onClick={reset}>
            Back to now
          </button>
        </Show>
        <a
          class="button"
          title="The readings of this window, with times as you read them"
          download={`${shortName(props.device)}-${props.metric.name}.csv`}
          href={csvHref("readings", props.device, props.metric.name, edges().from * 1000, edges().to * 1000)}
        >
          CSV
        </a>
      </div>
      <Failure why={refused()} />
      <Failure why={missing()} />
      <Chart
        lines={lines()}
        late={late()}
        from={edges().from}
        to={edges().to}
        isSwitch={props.isSwitch}
        words={words()}
        alerts={props.alerts}
        limits={limits()}
        seam={mark()}
        live={"last" in range() && !isStale()}
        label={`${metricName(props.metric)} over time`}
        onZoom={zoom}
        onReset={reset}
        onHover={setHover}
        onWidth={(pixels) => pixels >= 100 && Math.abs(pixels - width()) >= WIDTH_STEP && setWidth(pixels)}
      />
      <Show when={main.live()?.table() && lines().every((line) => line.columns[0].length === 0)}>
        <p class="sub">No value in this window.</p>
      </Show>
      <Legend own={props.device} reading={reading} />
    </div>
  );
}

interface HoveredProps {
  columns: Columns;
  /** Seconds. */
  time: number;
  reach: number;
  words: (value: number) => string;
  isSwitch: boolean;
  unit: string | null;
}

/** What the page's own device said where the pointer is. */
function Hovered(props: HoveredProps) {
  const bucket = createMemo(() => {
    const at = indexAt(props.columns, props.time, props.reach);
    return at === null
      ? null
      : {
          time: (props.columns[0][at] as number) * 1000,
          mean: props.columns[1][at] as number,
          lowest: props.columns[2][at] as number,
          highest: props.columns[3][at] as number,
        };
  });
  return (
    <Show when={bucket()} fallback={<span class="hovered">{formatClock(props.time * 1000, now())} · no value</span>}>
      {(one) => (
        <span class="hovered" title={`${formatExact(one().time)}\n${exactValue(one().mean, props.unit)}`}>
          {formatClock(one().time, now())} · <b>{props.words(one().mean)}</b>
          <Show when={!props.isSwitch}>
            {" "}
            · {props.words(one().lowest)} to {props.words(one().highest)}
          </Show>
        </span>
      )}
    </Show>
  );
}
