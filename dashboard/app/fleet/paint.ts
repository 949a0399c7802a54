import type { FleetCell } from "../../client/index.js";
import { colour } from "../lib/theme.js";
import type { Ends } from "./ends.js";
import { rampColours, share } from "./ramp.js";

/** Between two cells. */
const SPACE = 3;
const RAMP_STEPS = 48;

export interface Palette {
  ground: string;
  text: string;
  plain: string;
  late: string;
  asleep: string;
  lost: string;
  fresh: string;
  critical: string;
  warning: string;
  info: string;
  ramp: string[];
}

export function readPalette(): Palette {
  const stops = [0, 1, 2, 3, 4, 5].map((i) => colour(`ramp${i}`));
  const named = (name: string): string => colour(name);
  return {
    ground: named("bg"),
    text: named("text"),
    plain: named("faint"),
    late: named("late"),
    asleep: named("asleep"),
    lost: named("lost"),
    fresh: named("fresh"),
    critical: named("critical"),
    warning: named("warning"),
    info: named("accent"),
    ramp: rampColours(stops, RAMP_STEPS),
  };
}

export interface Look {
  pitch: number;
  palette: Palette;
  ends: Pick<Ends, "low" | "high"> | null;
  /** Cells that do not match the filter lose their ink. */
  matches: (cell: FleetCell) => boolean;
}

/** Draws one cell into its own square of `look.pitch`: nothing it draws reaches a neighbour. */
export function paintCell(context: CanvasRenderingContext2D, x: number, y: number, cell: FleetCell, look: Look, focused: boolean): void {
  const { palette, pitch } = look;
  const size = pitch - SPACE;
  context.clearRect(x, y, pitch, pitch);
  context.globalAlpha = look.matches(cell) ? 1 : 0.16;
  const [left, top] = [x + 1.5, y + 1.5];
  // Lines grow with the cells: a wall is read from afar.
  const line = Math.max(2, pitch / 15);
  const inset = cell.alert ? line + 1 : 0;
  paintState(context, left + inset, top + inset, size - 2 * inset, cell, look);
  if (cell.alert) outline(context, left, top, size, line, palette[cell.alert]);
  if (focused) outline(context, x + 0.5, y + 0.5, pitch - 1, 1.5, palette.text);
  context.globalAlpha = 1;
}

function paintState(context: CanvasRenderingContext2D, x: number, y: number, size: number, cell: FleetCell, look: Look): void {
  const { palette } = look;
  if (cell.state === "asleep" || cell.state === "lost") {
    outline(context, x, y, size, 1.5, palette[cell.state]);
    if (cell.state === "lost") cross(context, x, y, size);
    return;
  }
  context.fillStyle = ink(cell, look);
  if (cell.state === "late") {
    context.fillRect(x, y + size / 2, size, size / 2);
    outline(context, x, y, size, 1.5, palette.late);
  } else context.fillRect(x, y, size, size);
}

function ink(cell: FleetCell, { palette, ends }: Look): string {
  if (!ends) return palette.fresh;
  if (typeof cell.value === "boolean") return palette.ramp[cell.value ? palette.ramp.length - 1 : 0] as string;
  if (typeof cell.value !== "number") return palette.plain;
  return palette.ramp[Math.round(share(cell.value, ends) * (palette.ramp.length - 1))] as string;
}

function outline(context: CanvasRenderingContext2D, x: number, y: number, size: number, width: number, style: string): void {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.strokeRect(x + width / 2, y + width / 2, size - width, size - width);
}

function cross(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.beginPath();
  context.moveTo(x + 3, y + 3);
  context.lineTo(x + size - 3, y + size - 3);
  context.moveTo(x + size - 3, y + 3);
  context.lineTo(x + 3, y + size - 3);
  context.stroke();
}
