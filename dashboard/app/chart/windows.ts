// What stretch of time a chart shows, how the address says it, and how one gets from one to the next.
export interface Window {
  name: string;
  words: string;
  span_ms: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK_DAYS = 7;

export const WINDOWS: readonly Window[] = [
  { name: "15m", words: "15 min", span_ms: 15 * MINUTE },
  { name: "1h", words: "1 h", span_ms: HOUR },
  { name: "6h", words: "6 h", span_ms: 6 * HOUR },
  { name: "24h", words: "24 h", span_ms: DAY },
  { name: "7d", words: "7 d", span_ms: 7 * DAY },
  { name: "30d", words: "30 d", span_ms: 30 * DAY },
];

/** Unix ms. */
export interface Stretch {
  from: number;
  to: number;
}

/** What the chart shows: the last so long, or a stretch of the past. */
export type Range = { last: number } | Stretch;

/** Reads `?window=6h` or `?from=…&to=…` (Unix ms); anything else is the default. */
export function readRange(query: URLSearchParams): Range {
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  if (from > 0 && to > from) return { from, to };
  return { last: (WINDOWS.find((one) => one.name === query.get("window")) ?? (WINDOWS[0] as Window)).span_ms };
}

export const sameRange = (a: Range, b: Range): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What the address says of a range. */
export function rangeQuery(range: Range): Record<"from" | "to" | "window", string | null> | Record<"from" | "to", string> {
  if (!("last" in range)) return { from: String(range.from), to: String(range.to) };
  return { from: null, to: null, window: WINDOWS.find((one) => one.span_ms === range.last)?.name ?? null };
}

export function stretchOf(range: Range, now: number): Stretch {
  return "last" in range ? { from: now - range.last, to: now } : range;
}

/** Moves a time by days of the reader's calendar: a day with a change of clocks has 23 or 25 hours. */
function byDays(time: number, days: number): number {
  const date = new Date(time);
  return date.setDate(date.getDate() + days);
}

const midnightOf = (time: number): number => new Date(time).setHours(0, 0, 0, 0);
const isMidnight = (time: number): boolean => time === midnightOf(time);

/** The day in which `time` lies, from midnight to midnight of the reader. */
export function dayOf(time: number): Stretch {
  const from = midnightOf(time);
  return { from, to: byDays(from, 1) };
}

export const yesterday = (now: number): Stretch => dayOf(byDays(midnightOf(now), -1));

/** The day of `2026-11-28`, as the calendar's field writes it; `null` for none. */
export function dayNamed(text: string): Stretch | null {
  const time = new Date(`${text}T00:00`).getTime();
  return Number.isNaN(time) ? null : dayOf(time);
}

/** The day in which `time` lies, as the calendar's field writes it. */
export function dayName(time: number): string {
  const date = new Date(time);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The window before or after; one that would reach beyond the present is the last so long, if there is such a window. */
export function stepped(range: Range, by: -1 | 1, now: number): Range {
  const { from, to } = stretchOf(range, now);
  if (!("last" in range) && isMidnight(from) && isMidnight(to)) {
    const days = Math.round((to - from) / DAY) * by;
    return { from: byDays(from, days), to: byDays(to, days) };
  }
  const span = to - from;
  const next = { from: from + by * span, to: to + by * span };
  // The clock went on while one was looking.
  if (next.to < now - span / 10) return next;
  return WINDOWS.some((one) => one.span_ms === span) ? { last: span } : { from: Math.round(now) - span, to: Math.round(now) };
}

/** No stretch is shorter than this, ms. */
export const SHORTEST_MS = 1000;
/** None is longer: a leap year. */
const LONGEST_MS = 366 * DAY;

/** Half as long, or twice: of a stretch around its middle, of what follows the clock the next of the windows. */
export function zoomed(range: Range, by: "in" | "out", now: number): Range {
  const { from, to } = stretchOf(range, now);
  if ("last" in range) {
    const others =
      by === "in" ? WINDOWS.filter((one) => one.span_ms < range.last).reverse() : WINDOWS.filter((one) => one.span_ms > range.last);
    const next = others[0];
    if (next) return { last: next.span_ms };
    return by === "in" ? { from: Math.round((from + to) / 2), to: Math.round(to) } : range;
  }
  const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, Math.round((to - from) * (by === "in" ? 0.5 : 2))));
  const end = Math.min(Math.round((from + to + span) / 2), Math.round(now));
  return { from: end - span, to: end };
}

/** Whether there is a window after this one. */
export const hasNext = (range: Range, now: number): boolean => !("last" in range) && range.to < now;

/** By how much to move what was a week earlier, ms: at the same hour of the clock. */
export const weekBefore = (time: number): number => time - byDays(time, -WEEK_DAYS);

/**
 * What to ask for to see a week earlier beside `range`. A window that follows the clock asks for some of what comes next too,
 * so that it is asked for anew only when that is used up.
 */
export function stretchBefore(range: Range, now: number): Stretch {
  if (!("last" in range)) return { from: range.from - weekBefore(range.to), to: range.to - weekBefore(range.to) };
  const ahead = Math.max(range.last / 8, MINUTE);
  const slot = Math.floor(now / ahead) * ahead;
  const shift = weekBefore(slot);
  return { from: Math.floor(slot - range.last - shift), to: Math.ceil(slot + 2 * ahead - shift) };
}
