// Rules and what they raise, in words: `Temperature above 8.0 °C for 30 s`.
import type { Alert, Severity } from "../../client/index.js";
import type { Rule } from "./api.js";
import { formatNumber, formatSpan, metricLabel } from "./format.js";
import type { Unit } from "./units.js";

const THRESHOLD_UNIT = /^(?:above|below)\s+[-−]?\d+(?:\.\d+)?\s?(\S+?)?(?:\s+for\s.*)?$/i;

/** The unit of the number in an alert's text. */
export const thresholdUnit = (text: string): string | null => THRESHOLD_UNIT.exec(text)?.[1] ?? null;

/** An alert's text with its metric. */
export function alertTitle(alert: Pick<Alert, "metric" | "text">): string {
  return alert.metric === null ? alert.text : `${metricLabel(alert.metric)} ${alert.text.charAt(0).toLowerCase()}${alert.text.slice(1)}`;
}

/** A rule as its alerts say it. */
export function ruleText(rule: Rule, { unit, decimals }: Unit): string {
  const lasting = rule.for_ms > 0 ? ` for ${formatSpan(rule.for_ms)}` : "";
  if (rule.threshold === undefined) return `No reading${lasting}`;
  const number = formatNumber(rule.threshold, decimals ?? undefined);
  return `${rule.condition === "above" ? "Above" : "Below"} ${number}${unit === null ? "" : unit === "%" ? "%" : ` ${unit}`}${lasting}`;
}

/** A line across a chart. */
export interface Limit {
  value: number;
  severity: Severity;
  text: string;
}

/** The lines of a metric's chart. */
export function limitsOf(rules: readonly Rule[], metric: string, unit: Unit): Limit[] {
  const meant = rules.filter((rule) => rule.metric === null || rule.metric === metric);
  return meant.flatMap((rule) => (rule.threshold === undefined ? [] : [{ value: rule.threshold, severity: rule.severity, text: ruleText(rule, unit) }]));
}
