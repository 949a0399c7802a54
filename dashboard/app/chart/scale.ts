// The numbers beside a chart.
import { formatNumber } from "../lib/format.js";

/** What stands beside the lines of the scale. */
export function labelsOf(splits: readonly number[]): string[] {
  const decimals = decimalsOf((splits[1] ?? 1) - (splits[0] ?? 0));
  // Of many decimals a number is written by its power of ten, and nothing has none.
  return splits.map((split) => (split === 0 && decimals > 3 ? "0" : formatNumber(split, decimals)));
}

/** The fewest decimals that write a step without rounding it. */
function decimalsOf(step: number): number {
  const isWhole = (scaled: number): boolean => Math.abs(scaled - Math.round(scaled)) <= scaled * 1e-6;
  return [0, 1, 2, 3, 4, 5, 6].find((digits) => isWhole(step * 10 ** digits)) ?? 10;
}
