// What is painted on a chart beside its lines: alerts, limits, what came late, the present.
import type { Alert } from "../../client/index.js";
import type { Limit } from "../lib/rules.js";
import { colour } from "../lib/theme.js";

/** Where a chart is painted: device pixels. Times are in seconds. */
export interface Surface {
  context: CanvasRenderingContext2D;
  box: { left: number; top: number; width: number; height: number };
  x: (time: number) => number;
  y: (value: number) => number;
  /** Of the letters. */
  font: string;
}

export function tintAlerts({ context, box, x }: Surface, alerts: readonly Alert[]): void {
  for (const alert of alerts) {
    const left = Math.max(box.left, x(alert.raised / 1000));
    const right = Math.min(box.left + box.width, alert.cleared === null ? Infinity : x(alert.cleared / 1000));
    context.fillStyle = fade(colour(alert.severity === "info" ? "accent" : alert.severity), 0.14);
    if (right > left) context.fillRect(left, box.top, right - left, box.height);
  }
}

export function drawLimits({ context, box, y: place, font }: Surface, limits: readonly Limit[]): void {
  for (const { value, severity, text } of limits) {
    const y = place(value);
    if (y < box.top || y > box.top + box.height) continue;
    context.save();
    context.strokeStyle = context.fillStyle = colour(severity === "info" ? "accent" : severity);
    context.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(box.left, y);
    context.lineTo(box.left + box.width, y);
    context.stroke();
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.font = font;
    context.fillText(text, box.left + 6 * devicePixelRatio, y - 5 * devicePixelRatio);
    context.restore();
  }
}

/** Where two histories meet: dotted, with whose the older part is to its left. */
export function drawSeam({ context, box, x: across, font }: Surface, time: number, text: string): void {
  const x = across(time);
  if (x < box.left || x > box.left + box.width) return;
  context.save();
  context.strokeStyle = context.fillStyle = colour("muted");
  context.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
  context.lineWidth = 1.6 * devicePixelRatio;
  context.beginPath();
  context.moveTo(x, box.top);
  context.lineTo(x, box.top + box.height);
  context.stroke();
  context.textAlign = "right";
  context.textBaseline = "top";
  context.font = font;
  context.fillText(text, x - 6 * devicePixelRatio, box.top + 4 * devicePixelRatio);
  context.restore();
}

/** A ring, so that it is told from the line in grey too. */
export function drawLate({ context, box, x: across, y }: Surface, late: readonly [time: number, mean: number][]): void {
  context.save();
  context.strokeStyle = colour("late");
  context.lineWidth = 1.6 * devicePixelRatio;
  for (const [time, mean] of late) {
    const x = across(time);
    if (x < box.left || x > box.left + box.width) continue;
    context.beginPath();
    context.arc(x, y(mean), 4 * devicePixelRatio, 0, 7);
    context.stroke();
  }
  context.restore();
}

/** A dot where a line stands now. */
export function drawPresent({ context, x, y }: Surface, time: number, mean: number, style: string): void {
  context.fillStyle = style;
  context.beginPath();
  context.arc(x(time), y(mean), 3.5 * devicePixelRatio, 0, 7);
  context.fill();
}

export function fade(rgb: string, alpha: number): string {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
}
