export interface Window {
  name: string;
  words: string;
  span_ms: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const WINDOWS: readonly Window[] = [
  { name: "15m", words: "15 min", span_ms: 15 * MINUTE },
  { name: "1h", words: "1 h", span_ms: HOUR },
  { name: "6h", words: "6 h", span_ms: 6 * HOUR },
  { name: "24h", words: "24 h", span_ms: DAY },
  { name: "7d", words: "7 d", span_ms: 7 * DAY },
  { name: "30d", words: "30 d", span_ms: 30 * DAY },
];

/** What the chart shows: the last so long, or a stretch of the past. */
export type Range = { last: number } | { from: number; to: number };

/** Reads `?window=6h` or `?from=…&to=…` (Unix ms); anything else is the default. */
export function readRange(query: URLSearchParams): Range {
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  if (from > 0 && to > from) return { from, to };
  return { last: (WINDOWS.find((one) => one.name === query.get("window")) ?? (WINDOWS[0] as Window)).span_ms };
}
