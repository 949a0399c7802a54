// Numbers and times as a person reads them: a true minus, thin grouping, tabular.

const THIN = "\u202f";
const MINUS = "\u2212";

/** Decimals that fit the size of a number when its metric names none. */
function naturalDecimals(value: number): number {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return 0;
  return size >= 100 ? 1 : size >= 1 ? 2 : 3;
}

/** Decimals from which on a metric's own are only those its numbers needed: the server learns no more. */
const LEARNT_MOST = 3;
/** Below it three decimals no longer say a number, above it a double no longer holds each whole one. */
const SMALL = 0.01;
const TINY = 1e-4;
const HUGE = 1e15;
const RAISED: Record<string, string> = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** Significant digits, with a power of ten: `1.23 × 10⁻⁸`. */
function powerOfTen(value: number): string {
  const [digits = "0", power = "0"] = Number(value.toPrecision(3)).toExponential().split("e");
  return `${digits}${THIN}×${THIN}10${[...power.replace("+", "")].map((one) => RAISED[one]).join("")}`;
}

/** The digits of a size; a metric of few decimals was meant to be rounded. */
function digitsOf(size: number, decimals: number | null | undefined): string {
  const plain = size.toFixed(Math.min(20, decimals ?? naturalDecimals(size)));
  if (size === 0 || size >= SMALL || (decimals ?? LEARNT_MOST) < LEARNT_MOST) return plain;
  const significant = String(Number(size.toPrecision(3)));
  return significant.length > plain.length ? significant : plain;
}

export function formatNumber(value: number | null | undefined, decimals?: number | null): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const isTiny = size > 0 && size < TINY && (decimals ?? LEARNT_MOST) >= LEARNT_MOST;
  if (isTiny || size >= HUGE) return (value < 0 ? MINUS : "") + powerOfTen(size);
  const [whole = "0", fraction] = digitsOf(size, decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  const digits = fraction === undefined ? grouped : `${grouped}.${fraction}`;
  return value < 0 && /[1-9]/.test(digits) ? MINUS + digits : digits;
}

/** Words for `false` and `true`. */
export type SwitchWords = readonly string[];
const ON_AND_OFF: SwitchWords = ["off", "on"];

export function formatValue(
  value: number | string | boolean | null | undefined,
  decimals?: number | null,
  words: SwitchWords = ON_AND_OFF,
): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return readable(words[Number(value)] ?? "");
  return typeof value === "number" ? formatNumber(value, decimals) : readable(value);
}

/** For tooltips: all digits, however many are shown. */
export function exactValue(value: number | string | boolean | null | undefined, unit: string | null, words?: SwitchWords): string {
  if (typeof value !== "number") return value === null || value === undefined ? "" : formatValue(value, null, words);
  return `${String(value).replace("-", MINUS)}${unit === null ? "" : ` ${unit}`}`;
}

const ISOLATE = "\u2068";
const END_OF_ISOLATE = "\u2069";
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u061c\u200f\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/**
 * A name or text from outside, which turns nothing around it (Unicode Standard Annex 9): what would override the
 * direction shows as what it is, since it makes one name look like another; what is written from right to left stands
 * apart from its neighbours.
 */
export function readable(text: string): string {
  const visible = text.replace(TURNS, (turn) => `⟨U+${turn.charCodeAt(0).toString(16).toUpperCase()}⟩`);
  return RIGHT_TO_LEFT.test(visible) ? ISOLATE + visible + END_OF_ISOLATE : visible;
}

/** Where a switch stood, by the share of its readings that were on. */
export function switchWords(share: number, words: SwitchWords = ON_AND_OFF): string {
  if (share <= 0 || share >= 1) return formatValue(share >= 1, null, words);
  return `${readable(words[1] ?? "")} in ${formatNumber(share * 100, 0)}${THIN}%`;
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return "–";
  let scaled = bytes;
  const unit =
    ["B", "kB", "MB", "GB", "TB"].find((_, i, all) => scaled < 1000 || i === all.length - 1 || ((scaled /= 1000), false)) ?? "TB";
  return `${formatNumber(scaled, unit === "B" || scaled >= 100 ? 0 : 1)}${THIN}${unit}`;
}

/** A span of time, with the one unit that says enough. */
export function formatSpan(span_ms: number): string {
  const seconds = Math.max(0, Math.floor(span_ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** A span of time by its two largest units: `2 h 5 min`. */
export function formatDuration(span_ms: number): string {
  const seconds = Math.max(0, Math.round(span_ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return first < 0 ? "0 s" : shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Relative under an hour, clock time today, date beyond. */
export function formatTime(time: number | null | undefined, now: number): string {
  if (time === null || time === undefined) return "–";
  const age = now - time;
  if (age < -1000) return `${formatSpan(-age)} ahead`;
  if (age < 3_600_000) return age < 1000 ? "now" : `${formatSpan(age)} ago`;
  return new Date(time).toDateString() === new Date(now).toDateString() ? clock.format(time) : date.format(time);
}

/** When a value was measured; of one that was handed over from before, as another broker had kept it, that is not known. */
export function formatMeasured(time: number | null | undefined, value: unknown, now: number): string {
  return time === null && value !== null && value !== undefined ? "from before" : formatTime(time, now);
}

/** For tooltips, as `formatMeasured`. */
export function formatMeasuredExact(time: number | null | undefined, value: unknown): string {
  return time === null && value !== null && value !== undefined ? "Kept from before; when it was measured is not known" : formatExact(time);
}

/** Clock time today, date beyond: for tables, where a start does not move. */
export function formatClock(time: number | null | undefined, now: number): string {
  if (time === null || time === undefined) return "–";
  return new Date(time).toDateString() === new Date(now).toDateString() ? clock.format(time) : date.format(time);
}

/** For tooltips: with the offset from UTC. */
export function formatExact(time: number | null | undefined): string {
  if (time === null || time === undefined) return "";
  const offset = -new Date(time).getTimezoneOffset();
  const sign = offset < 0 ? MINUS : "+";
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${exact.format(time)} ${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** How people write what names spell in plain letters. */
const SPELLED = new Map(
  Object.entries({
    co2: "CO₂",
    no2: "NO₂",
    voc: "VOC",
    tvoc: "TVOC",
    pm1: "PM1",
    pm25: "PM2.5",
    pm10: "PM10",
    rssi: "RSSI",
    snr: "SNR",
    ph: "pH",
    uv: "UV",
    json: "JSON",
    utf8: "UTF-8",
    mqtt: "MQTT",
    id: "ID",
  }),
);

/** `door_open`, `battery.level` and `invalid_json` as words. */
export function metricLabel(name: string): string {
  const words = readable(name)
    .split(/[_.\s]+/)
    .filter((word) => word !== "");
  return words.map((word, i) => SPELLED.get(word.toLowerCase()) ?? (i === 0 ? capital(word) : word)).join(" ");
}

/** What a metric is called: as its device says, else its own name as words. */
export function metricName(metric: { name: string; about: { name?: string } | null }): string {
  return metric.about?.name ? readable(metric.about.name) : metricLabel(metric.name);
}

/** Last level of a full identifier. */
export function shortName(id: string): string {
  return readable(id.slice(id.lastIndexOf("/") + 1));
}

/** What a device is called: its name, else the last level of its identifier. */
export function deviceName(device: { id: string; name?: string | null | undefined }): string {
  return device.name ? readable(device.name) : shortName(device.id);
}

export function groupWords(path: string): string {
  return path === "" ? "No group" : path.split("/").map(readable).join(" · ");
}
