// One finger moves a chart, two stretch it. Up and down stays the page's.
import { SHORTEST_MS, type Stretch } from "./windows.js";

/** A finger that went less far has only pointed, CSS pixels. */
const MOVED_PX = 8;

interface Fingers {
  /** Middle between them, share of the chart's width. */
  middle: number;
  /** How far apart, share of the width; 0 for one. */
  apart: number;
}

function fingersAt(places: readonly number[], left: number, width: number): Fingers {
  const shares = places.map((x) => (x - left) / width);
  return { middle: shares.reduce((sum, share) => sum + share, 0) / shares.length, apart: Math.max(...shares) - Math.min(...shares) };
}

/** What is in sight when the fingers that were at `from` are at `to`: what was under them still is. */
export function moved(start: Stretch, from: Fingers, to: Fingers): Stretch {
  const span = start.to - start.from;
  const scale = from.apart > 0 && to.apart > 0 ? from.apart / to.apart : 1;
  const wide = Math.max(SHORTEST_MS, span * scale);
  const under = start.from + from.middle * span;
  return { from: under - to.middle * wide, to: under + (1 - to.middle) * wide };
}

interface Reach {
  shown: () => Stretch;
  /** While the fingers move. */
  preview: (stretch: Stretch) => void;
  /** When they have left; `null` if they only pointed. */
  settle: (stretch: Stretch | null) => void;
}

/** Follows the fingers on `target` for as long as it lives. */
export function followFingers(target: HTMLElement, { shown, preview, settle }: Reach): void {
  const places = new Map<number, number>();
  let from: Fingers = { middle: 0, apart: 0 };
  let start: Stretch = shown();
  let now: Stretch | null = null;
  const fingers = (): Fingers => {
    const { left, width } = target.getBoundingClientRect();
    return fingersAt([...places.values()], left, width);
  };
  /** Another finger came or went: go on from here. */
  const begin = (): void => {
    if (places.size === 0) return;
    start = now ?? shown();
    from = fingers();
  };
  target.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    target.setPointerCapture(event.pointerId);
    places.set(event.pointerId, event.clientX);
    begin();
  });
  target.addEventListener("pointermove", (event) => {
    if (!places.has(event.pointerId)) return;
    places.set(event.pointerId, event.clientX);
    const to = fingers();
    const isMoving = now !== null || places.size > 1 || Math.abs(to.middle - from.middle) * target.clientWidth > MOVED_PX;
    if (isMoving) preview((now = moved(start, from, to)));
  });
  const leave = (event: PointerEvent): void => {
    if (!places.delete(event.pointerId)) return;
    begin();
    if (places.size > 0) return;
    settle(now);
    now = null;
  };
  target.addEventListener("pointerup", leave);
  target.addEventListener("pointercancel", leave);
}
