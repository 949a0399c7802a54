// What people say of a device: filled in by a person, sent as what is otherwise than before.
import type { AboutDevice, Schemas } from "../../client/index.js";
import { request } from "./api.js";

export type Description = Schemas["DescribeDevice"];

/** What a person filled in. Empty: nothing is said, and what the device says of itself shows. */
export interface Wish {
  name: string;
  group: string;
  /** A line each: `floor=2`. */
  labels: string;
  /** `10 min`. */
  interval: string;
  notes: string;
  hidden: boolean;
}

export const describe = (device: string, description: Description): Promise<Schemas["Device"]> =>
  request(`/v1/devices/${encodeURIComponent(device)}`, { method: "PATCH", body: JSON.stringify(description) });

const UNITS: readonly [word: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** A span by the largest unit that divides it: `90 s`, `10 min`. */
export function spanText(span_ms: number): string {
  const [word, ms] = UNITS.find(([, ms]) => span_ms % ms === 0) ?? ["s", 1000];
  return `${Math.ceil(span_ms / ms)} ${word}`;
}

/** Reads `10 min`; `null` for what is no span. */
export function readSpan(text: string): number | null {
  const [, count, unit] = /^(\d{1,6})\s*(s|sec|min|m|h|d)$/i.exec(text.trim()) ?? [];
  if (count === undefined || unit === undefined) return null;
  const word = { sec: "s", m: "min" }[unit.toLowerCase()] ?? unit.toLowerCase();
  return Number(count) * (UNITS.find(([known]) => known === word)?.[1] ?? 0);
}

/** What is said now. */
export function wishOf(about: AboutDevice | null): Wish {
  const said = about?.said;
  return {
    name: said?.name ?? "",
    group: said?.group ?? "",
    labels: Object.entries(about?.labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
    interval: said?.interval_ms === undefined ? "" : spanText(said.interval_ms),
    notes: about?.notes ?? "",
    hidden: about?.hidden ?? false,
  };
}

/** Labels by key, or what is wrong with a line of them. */
function labelsOf(text: string): Record<string, string> | string {
  const labels: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const at = line.indexOf("=");
    const [key, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 0 || key === "" || value === "") return `Label “${line.trim()}” is no key=value: write it as floor=2, a line each.`;
    labels[key] = value;
  }
  return labels;
}

/** What is to be sent so that what was filled in holds: only what is otherwise. Or what is wrong, for people. */
export function patchOf(before: Wish, now: Wish): Description | string {
  const patch: Description = {};
  for (const field of ["name", "group", "notes"] as const) {
    if (now[field].trim() !== before[field].trim()) patch[field] = now[field].trim() === "" ? null : now[field].trim();
  }
  if (now.hidden !== before.hidden) patch.hidden = now.hidden;
  if (now.interval.trim() !== before.interval.trim()) {
    const span = readSpan(now.interval);
    if (now.interval.trim() !== "" && span === null) return `“${now.interval.trim()}” is no span of time: write it as 10 min, 1 h or 30 s.`;
    patch.interval_ms = span;
  }
  const [had, has] = [labelsOf(before.labels), labelsOf(now.labels)];
  if (typeof has === "string") return has;
  const known = typeof had === "string" ? {} : had;
  const labels: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(has)) if (known[key] !== value) labels[key] = value;
  for (const key of Object.keys(known)) if (!Object.hasOwn(has, key)) labels[key] = null;
  if (Object.keys(labels).length > 0) patch.labels = labels;
  return patch;
}
