// Devices in alert, in words and by the worst of them.
import type { InAlert, Severity } from "../../client/index.js";

export const SEVERITIES: readonly Severity[] = ["critical", "warning", "info"];

export const inAlertTotal = (counts: InAlert): number => SEVERITIES.reduce((sum, severity) => sum + counts[severity], 0);

export const worstIn = (counts: InAlert): Severity | null => SEVERITIES.find((severity) => counts[severity] > 0) ?? null;

/** `3 in alert: 1 critical, 2 warning` */
export function inAlertWords(counts: InAlert): string {
  const parts = SEVERITIES.filter((severity) => counts[severity] > 0).map((severity) => `${counts[severity]} ${severity}`);
  return `${inAlertTotal(counts)} in alert: ${parts.join(", ")}`;
}
