// Rules and what they raise, in words: `Temperature above 8.0 °C for 30 s`.
import type { Alert, Severity } from "../../client/index.js";
import type { Rule } from "./api.js";
import { formatNumber, formatSpan, metricLabel } from "./format.js";
import type { Unit } from "./units.js";

/** An alert's text with its metric. */
export function alertTitle(alert: Pick<Alert, "metric" | "text">): string {
  return alert.metric === null ? alert.text : `${metricLabel(alert.metric)} ${alert.text.charAt(0).toLowerCase()}${alert.text.slice(1)}`;
}

/** How long it held, ms; one that still holds, until now. */
export const lasted = (alert: Pick<Alert, "raised" | "cleared">, now: number): number => (alert.cleared ?? now) - alert.raised;

/** What an alert's values were, each with what it is: `9.5 °C when raised, peak 12.5 °C, 7.4 °C when cleared`. */
export function valuesText(
  alert: Pick<Alert, "raised_value" | "peak" | "cleared_value" | "unit">,
  write: (value: number) => string,
): string {
  const unit = unitText(alert.unit);
  const named = (value: number | null, words: (number: string) => string): string[] =>
    value === null ? [] : [words(`${write(value)}${unit}`)];
  return [
    ...named(alert.raised_value, (number) => `${number} when raised`),
    ...named(alert.peak === alert.raised_value ? null : alert.peak, (number) => `peak ${number}`),
    ...named(alert.cleared_value, (number) => `${number} when cleared`),
  ].join(", ");
}

/** A rule as its alerts say it. */
export function ruleText(rule: Rule, { unit, decimals }: Unit): string {
  const lasting = rule.for_ms > 0 ? ` for ${formatSpan(rule.for_ms)}` : "";
  if (rule.threshold === undefined) return `No reading${lasting}`;
  const number = formatNumber(rule.threshold, decimals ?? undefined);
  return `${rule.condition === "above" ? "Above" : "Below"} ${number}${unitText(unit)}${lasting}`;
}

/** When what it raised clears, where that is not at the threshold: `clears below 7.5 °C`. */
export function clearsText(rule: Rule, { unit, decimals }: Unit): string | null {
  if (rule.threshold === undefined || !rule.hysteresis) return null;
  const isAbove = rule.condition === "above";
  const number = formatNumber(rule.threshold + (isAbove ? -rule.hysteresis : rule.hysteresis), decimals ?? undefined);
  return `clears ${isAbove ? "below" : "above"} ${number}${unitText(unit)}`;
}

/** Why a rule cannot raise an alert, or only at some of its devices. */
export function blindText(rule: Rule): string | null {
  if (rule.blind !== null) {
    const raisesAllTheSame = rule.condition === "no_reading" && rule.device !== null && !/[*?]/.test(rule.device);
    return raisesAllTheSame ? `${sentence(rule.blind)} Its silence raises all the same.` : `It cannot raise: ${rule.blind}.`;
  }
  const { texts, series } = rule.looks_at;
  return texts > 0 && rule.metric !== null && rule.threshold !== undefined
    ? `A text at ${texts} of ${series} devices: it cannot raise there.`
    : null;
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

const unitText = (unit: string | null): string => (unit === null ? "" : unit === "%" ? "%" : ` ${unit}`);

/** A line across a chart. */
export interface Limit {
  value: number;
  severity: Severity;
  text: string;
}

/** The lines of a metric's chart. */
export function limitsOf(rules: readonly Rule[], metric: string, unit: Unit): Limit[] {
  const meant = rules.filter((rule) => rule.metric === null || rule.metric === metric);
  return meant.flatMap((rule) =>
    rule.threshold === undefined
      ? []
      : [
          {
            value: rule.threshold,
            severity: rule.severity,
            text: [ruleText(rule, unit), clearsText(rule, unit)].filter((words) => words !== null).join(", "),
          },
        ],
  );
}
