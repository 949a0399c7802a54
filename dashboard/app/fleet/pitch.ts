// How large the cells are.

/** From one cell to the next, CSS pixels: a small fleet gets large cells, all floors the same. */
const PITCHES = [30, 26, 22, 18] as const;
const PITCH_MIN = 15;
/** Where a finger points: WCAG 2.2, target size (minimum). */
const PITCH_MIN_TOUCH = 24;

/** The largest pitch at which the largest floor needs one line of `width` pixels, else the smallest; `scale` times as large on a wall. */
export function pitchFor(cells: number, width: number, isTouch: boolean, scale: number): number {
  const least = isTouch ? PITCH_MIN_TOUCH : PITCH_MIN;
  return Math.round(scale * (PITCHES.find((pitch) => pitch >= least && cells * pitch * scale <= width) ?? least));
}
