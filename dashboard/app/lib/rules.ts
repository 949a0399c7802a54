// What an alert's text says: `Above 8.0 °C for 30 s`.
import type { Alert } from "../../client/index.js";
import { metricLabel } from "./format.js";

const THRESHOLD = /^(?:above|below)\s+([-−]?\d+(?:\.\d+)?)(?:\s?(\S+?))?(?:\s+for\s.*)?$/i;

/** The number a threshold rule names; `null` for every other rule. */
export function threshold(text: string): number | null {
  const found = THRESHOLD.exec(text)?.[1];
  return found ? Number(found.replace("−", "-")) : null;
}

/** The unit of that number. */
export const thresholdUnit = (text: string): string | null => THRESHOLD.exec(text)?.[2] ?? null;

/** Names the metric too: `Temperature above 8.0 °C for 30 s`. */
export function alertTitle(alert: Pick<Alert, "metric" | "text">): string {
  return alert.metric === null ? alert.text : `${metricLabel(alert.metric)} ${alert.text.charAt(0).toLowerCase()}${alert.text.slice(1)}`;
}
