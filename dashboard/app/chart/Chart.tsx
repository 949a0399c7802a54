// The one place that knows uPlot.
import { createEffect, on, onCleanup, onMount } from "solid-js";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Alert } from "../../client/index.js";
import { formatNumber, switchWords } from "../lib/format.js";
import { onFrame } from "../lib/frame.js";
import { colour, palette } from "../lib/theme.js";
import type { Limit } from "../lib/rules.js";
import { isolated, type Columns } from "./data.js";

interface Props {
  columns: Columns;
  /** Time in seconds and mean of what arrived late. */
  late: [number, number][];
  /** Seconds; glides with the clock. */
  from: number;
  to: number;
  height: number;
  decimals: number | null;
  /** On and off instead of numbers: it stands until it is switched. */
  isSwitch: boolean;
  alerts: Alert[];
  /** Thresholds of rules. */
  limits: Limit[];
  live: boolean;
  label: string;
  onZoom: (from_ms: number, to_ms: number) => void;
  onReset: () => void;
  onHover: (at: { time: number; mean: number; lowest: number; highest: number } | null) => void;
  onWidth: (pixels: number) => void;
}

export function Chart(props: Props) {
  let box!: HTMLDivElement;
  let plot: uPlot | null = null;

  const build = (): void => {
    plot?.destroy();
    plot = new uPlot(options(props, box.clientWidth), props.columns, box);
    plot.over.addEventListener("dblclick", () => props.onReset());
  };
  const refresh = (): void => {
    if (!plot) return;
    plot.batch(() => {
      plot?.setData(props.columns, false);
      plot?.setScale("x", { min: props.from, max: props.to });
    });
  };
  createEffect(on([() => props.columns, () => props.from, () => props.to, () => props.alerts, () => props.limits], () => onFrame(refresh), { defer: true }));
  createEffect(on([palette, () => props.label, () => props.isSwitch], () => plot && build(), { defer: true }));
  onMount(() => {
    build();
    const observer = new ResizeObserver(() => {
      plot?.setSize({ width: box.clientWidth, height: props.height });
      props.onWidth(box.clientWidth);
    });
    observer.observe(box);
    onCleanup(() => observer.disconnect());
  });
  onCleanup(() => plot?.destroy());
  return <div class="chart" ref={box} role="img" aria-label={props.label} />;
}

const DATE = "\n{D} {MMM}";
/** By the step between two ticks, s: the label, what the first tick adds (a new year to uPlot), and each midnight. */
const TIME_LABELS: uPlot.Axis.Values = [
  [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, DATE, null, null, null, 1],
];

function options(props: Props, width: number): uPlot.Options {
  const accent = colour("accent");
  const axis = { stroke: colour("muted"), font: "11px Inter Variable, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: props.height,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true, auto: false, min: props.from, max: props.to }, y: { range: (_, low, high) => (props.isSwitch ? [-0.15, 1.15] : paddedRange(low, high, props.limits)) } },
    axes: [
      { ...axis, grid: { show: false }, space: 80, values: TIME_LABELS },
      props.isSwitch ? { ...axis, size: 52, splits: () => [0, 1], values: (_, splits) => splits.map(switchWords) } : { ...axis, size: 52, values: (_, splits) => splits.map((split) => formatNumber(split, decimalsOf((splits[1] ?? 1) - (splits[0] ?? 0)))) },
    ],
    series: [
      {},
      // A value with nothing beside it has no line: only a point shows it.
      { stroke: accent, width: 1.6, ...(props.isSwitch ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}), points: { show: true, size: 4, width: 0, fill: accent, filter: (plot) => isolated((plot.data as unknown as Columns)[1]) } },
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
    ],
    bands: props.isSwitch ? [] : [{ series: [3, 2], fill: fade(accent, 0.22) }],
    cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    hooks: {
      drawAxes: [(plot) => tintAlerts(plot, props.alerts)],
      draw: [(plot) => (drawLimits(plot, props.limits), drawLate(plot, props.late), props.live && drawPresent(plot, accent))],
      setSelect: [(plot) => select(plot, props)],
      setCursor: [(plot) => hover(plot, props)],
    },
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

/** The fewest decimals that write a step without rounding it. */
function decimalsOf(step: number): number {
  return [0, 1, 2, 3].find((digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6) ?? 4;
}

function select(plot: uPlot, props: Props): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  props.onZoom(Math.round(plot.posToVal(left, "x") * 1000), Math.round(plot.posToVal(left + width, "x") * 1000));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function hover(plot: uPlot, props: Props): void {
  const at = plot.cursor.idx;
  const inside = (plot.cursor.left ?? -1) >= 0;
  const [times, means, lows, highs] = plot.data as unknown as Columns;
  const mean = inside && typeof at === "number" ? means[at] : null;
  if (typeof at !== "number" || typeof mean !== "number") return props.onHover(null);
  props.onHover({ time: (times[at] ?? 0) * 1000, mean, lowest: lows[at] ?? mean, highest: highs[at] ?? mean });
}

function tintAlerts(plot: uPlot, alerts: Alert[]): void {
  const { ctx: context, bbox } = plot;
  for (const alert of alerts) {
    const left = Math.max(bbox.left, plot.valToPos(alert.raised / 1000, "x", true));
    const right = Math.min(bbox.left + bbox.width, alert.cleared === null ? Infinity : plot.valToPos(alert.cleared / 1000, "x", true));
    context.fillStyle = fade(colour(alert.severity === "info" ? "accent" : alert.severity), 0.14);
    if (right > left) context.fillRect(left, bbox.top, right - left, bbox.height);
  }
}

function drawLimits(plot: uPlot, limits: Limit[]): void {
  const { ctx: context, bbox } = plot;
  for (const { value, severity, text } of limits) {
    const y = plot.valToPos(value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    context.save();
    context.strokeStyle = context.fillStyle = colour(severity === "info" ? "accent" : severity);
    context.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(bbox.left, y);
    context.lineTo(bbox.left + bbox.width, y);
    context.stroke();
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.font = `${11 * devicePixelRatio}px Inter Variable, sans-serif`;
    context.fillText(text, bbox.left + 6 * devicePixelRatio, y - 5 * devicePixelRatio);
    context.restore();
  }
}

/** A ring, so that it is told from the line in grey too. */
function drawLate(plot: uPlot, late: readonly [number, number][]): void {
  const { ctx: context, bbox } = plot;
  context.save();
  context.strokeStyle = colour("late");
  context.lineWidth = 1.6 * devicePixelRatio;
  for (const [time, mean] of late) {
    const x = plot.valToPos(time, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    context.beginPath();
    context.arc(x, plot.valToPos(mean, "y", true), 4 * devicePixelRatio, 0, 7);
    context.stroke();
  }
  context.restore();
}

function drawPresent(plot: uPlot, style: string): void {
  const [times, means] = plot.data as unknown as Columns;
  const at = means.length - 1;
  const mean = means[at];
  if (typeof mean !== "number") return;
  plot.ctx.fillStyle = style;
  plot.ctx.beginPath();
  plot.ctx.arc(plot.valToPos(times[at] ?? 0, "x", true), plot.valToPos(mean, "y", true), 3.5 * devicePixelRatio, 0, 7);
  plot.ctx.fill();
}

function fade(rgb: string, alpha: number): string {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
}
