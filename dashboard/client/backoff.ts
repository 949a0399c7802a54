const FIRST_MS = 1_000;
const LARGEST_MS = 30_000;
const CHANCE_MS = 1_000;

/** How long to wait before attempt number `attempt` (from 0): 1, 2, 4 … 30 s, plus up to 1 s of `chance` in [0, 1). */
export function reconnectDelay(attempt: number, chance: number): number {
  return Math.min(LARGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10)) + Math.floor(chance * CHANCE_MS);
}
