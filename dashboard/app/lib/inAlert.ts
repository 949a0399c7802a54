// Devices in alert, in words and by the worst of them.
import type { Severity } from "../../client/index.js";
import { inAlertOf } from "./groups.js";

export const SEVERITIES: readonly Severity[] = ["critical", "warning", "info"];

/** Devices of the group and of those below it. */
export const inAlertTotal = (path: string): number => SEVERITIES.reduce((sum, severity) => sum + inAlertOf(path)[severity], 0);

export const worstIn = (path: string): Severity | null => SEVERITIES.find((severity) => inAlertOf(path)[severity] > 0) ?? null;

/** `3 in alert: 1 critical, 2 warning` */
export function inAlertWords(path: string): string {
  const parts = SEVERITIES.filter((severity) => inAlertOf(path)[severity] > 0).map(
    (severity) => `${inAlertOf(path)[severity]} ${severity}`,
  );
  return `${inAlertTotal(path)} in alert: ${parts.join(", ")}`;
}
