// The one place that knows uPlot.
import { createEffect, createMemo, on, onCleanup, onMount } from "solid-js";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Alert } from "../../client/index.js";
import { switchWords, type SwitchWords } from "../lib/format.js";
import { onFrame } from "../lib/frame.js";
import type { Limit } from "../lib/rules.js";
import { colour, palette, rem } from "../lib/theme.js";
import { aligned, isolated, nearestOf, type Columns } from "./data.js";
import { followFingers } from "./gestures.js";
import { BEFORE_ALPHA, inkOf, type Role } from "./ink.js";
import { drawLate, drawLimits, drawPresent, drawSeam, fade, tintAlerts, type Surface } from "./marks.js";
import { labelsOf } from "./scale.js";
import type { Stretch } from "./windows.js";

export interface Line {
  columns: Columns;
  /** Which of the devices it is of: 0 is the page's own. */
  number: number;
  role: Role;
}

interface Props {
  /** The main one first. */
  lines: Line[];
  /** Time in seconds and mean of what arrived late. */
  late: [number, number][];
  /** Seconds; glides with the clock. */
  from: number;
  to: number;
  /** On and off instead of numbers: it stands until it is switched. */
  isSwitch: boolean;
  /** Words for off and on, where it has its own. */
  words: SwitchWords | undefined;
  alerts: Alert[];
  /** Thresholds of rules. */
  limits: Limit[];
  /** Where an older history begins, seconds, and whose that is. */
  seam: { time: number; text: string } | null;
  live: boolean;
  label: string;
  onZoom: (stretch: Stretch) => void;
  onReset: () => void;
  /** Where the pointer is, seconds. */
  onHover: (time: number | null) => void;
  onWidth: (pixels: number) => void;
}

/** As the style sheet has it, of a `rem`. */
const HEIGHT = 20;

export function Chart(props: Props) {
  let box!: HTMLDivElement;
  let plot: uPlot | null = null;
  /** Under fingers the chart does not glide. */
  let isHeld = false;

  const data = (): uPlot.AlignedData => aligned(props.lines.map((line) => line.columns)) as uPlot.AlignedData;
  const shown = (): Stretch => ({ from: props.from * 1000, to: props.to * 1000 });
  const scale = ({ from, to }: Stretch): void => plot?.setScale("x", { min: from / 1000, max: to / 1000 });
  const build = (): void => {
    plot?.destroy();
    plot = new uPlot(options(props, box.clientWidth), data(), box);
    plot.over.addEventListener("dblclick", () => props.onReset());
    followFingers(plot.over, {
      shown,
      preview: (stretch) => ((isHeld = true), scale(stretch)),
      settle: (stretch) => ((isHeld = false), stretch && props.onZoom(stretch)),
    });
  };
  const refresh = (): void => {
    plot?.batch(() => {
      plot?.setData(data(), false);
      if (!isHeld) scale(shown());
    });
  };
  /** Which lines there are: a chart is built for them, and only filled with each value. */
  const kinds = createMemo(() => props.lines.map((line) => `${line.number} ${line.role}`).join());
  createEffect(
    on(
      [() => props.lines, () => props.from, () => props.to, () => props.alerts, () => props.limits, () => props.seam],
      () => onFrame(refresh),
      {
        defer: true,
      },
    ),
  );
  createEffect(on([palette, () => props.label, () => props.isSwitch, kinds], () => plot && build(), { defer: true }));
  onMount(() => {
    build();
    const observer = new ResizeObserver(() => {
      plot?.setSize({ width: box.clientWidth, height: HEIGHT * rem() });
      props.onWidth(box.clientWidth);
    });
    observer.observe(box);
    onCleanup(() => observer.disconnect());
  });
  onCleanup(() => {
    plot?.destroy();
    plot = null;
  });
  return <div class="chart" ref={box} role="img" aria-label={props.label} />;
}

const DATE = "\n{D} {MMM}";
/** By the step between two ticks, s: the label, what the first tick adds (a new year to uPlot), and each midnight. */
const TIME_LABELS: uPlot.Axis.Values = [
  [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, DATE, null, null, null, 1],
];

/** Of the letters on the canvas, of a `rem`. */
const LETTERS = 11 / 16;
const FAMILY = "Inter Variable, sans-serif";

function options(props: Props, width: number): uPlot.Options {
  const accent = colour("accent");
  const letters = LETTERS * rem();
  const axis = {
    stroke: colour("muted"),
    font: `${letters}px ${FAMILY}`,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  const side = { ...axis, size: letters * 4.8 };
  const surface = (plot: uPlot): Surface => ({
    context: plot.ctx,
    box: plot.bbox,
    font: `${letters * devicePixelRatio}px ${FAMILY}`,
    x: (time) => plot.valToPos(time, "x", true),
    y: (value) => plot.valToPos(value, "y", true),
  });
  return {
    width,
    height: HEIGHT * rem(),
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: {
      x: { time: true, auto: false, min: props.from, max: props.to },
      y: { range: (_, low, high) => (props.isSwitch ? [-0.15, 1.15] : paddedRange(low, high, props.limits)) },
    },
    axes: [
      { ...axis, grid: { show: false }, space: letters * 7.3, size: letters * 4.4, lineGap: 1.3, values: TIME_LABELS },
      props.isSwitch
        ? { ...side, splits: () => [0, 1], values: (_, splits) => splits.map((share) => switchWords(share, props.words)) }
        : { ...side, values: (_, splits) => labelsOf(splits) },
    ],
    series: [{}, ...props.lines.flatMap((line, place) => (place === 0 ? [lineStyle(line, props), EDGE, EDGE] : [lineStyle(line, props)]))],
    bands: props.isSwitch ? [] : [{ series: [3, 2], fill: fade(accent, 0.22) }],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      // uPlot takes `null` for a line that has no value there, and says so nowhere.
      dataIdx: (plot, series, at, time) =>
        series === 0 ? at : (nearestOf(plot.data[0] as number[], plot.data[series] as Columns[1], time, at) as number),
    },
    hooks: {
      drawAxes: [(plot) => tintAlerts(surface(plot), props.alerts)],
      draw: [
        (plot) => (
          drawLimits(surface(plot), props.limits),
          drawLate(surface(plot), props.late),
          props.seam && drawSeam(surface(plot), props.seam.time, props.seam.text),
          props.live && drawEnds(surface(plot), props.lines)
        ),
      ],
      setSelect: [(plot) => select(plot, props)],
      setCursor: [(plot) => props.onHover((plot.cursor.left ?? -1) >= 0 ? timeAt(plot) : null)],
    },
  };
}

/** The lowest and highest, between which the band is. */
const EDGE: uPlot.Series = { stroke: "transparent", points: { show: false } };

function lineStyle({ number, role }: Line, { isSwitch }: Props): uPlot.Series {
  const ink = inkOf(number, role);
  const stroke = role === "before" ? fade(colour(ink.colour), BEFORE_ALPHA) : colour(ink.colour);
  return {
    stroke,
    width: role === "before" ? 1.2 : 1.6,
    dash: [...ink.dash],
    ...(isSwitch ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}),
    // A value with nothing beside it has no line: only a point shows it.
    points: { show: true, size: 4, width: 0, fill: stroke, filter: (plot, series) => isolated(plot.data[series] as Columns[1]) },
  };
}

/** Some air above and below, and a band for a value that never moves. A limit that is near is in the picture. */
function paddedRange(lowest: number | null, highest: number | null, limits: Limit[]): [number, number] {
  if (lowest === null || highest === null) return [0, 1];
  const near = limits.map((limit) => limit.value).filter((value) => Math.max(lowest - value, value - highest) <= highest - lowest);
  const [low, high] = [Math.min(lowest, ...near), Math.max(highest, ...near)];
  const air = Math.max((high - low) * 0.12, Math.abs(high) * 0.005) || 0.05;
  return [low - air, high + air];
}

const timeAt = (plot: uPlot): number => plot.posToVal(plot.cursor.left ?? 0, "x");

function select(plot: uPlot, props: Props): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  props.onZoom({ from: plot.posToVal(left, "x") * 1000, to: plot.posToVal(left + width, "x") * 1000 });
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** The present of each device. */
function drawEnds(surface: Surface, lines: readonly Line[]): void {
  for (const {
    columns: [times, means],
    number,
    role,
  } of lines) {
    const mean = means[means.length - 1];
    if (role !== "before" && typeof mean === "number")
      drawPresent(surface, times[times.length - 1] as number, mean, colour(inkOf(number, role).colour));
  }
}
