// How often something happens: one animation frame coalesces all drawing, and words are spoken at most so often.
import { createEffect, createSignal, onCleanup, untrack, type Accessor } from "solid-js";

const waiting = new Set<() => void>();
let asked = false;

/** Calls `draw` in the next frame; asking twice before it draws once. */
export function onFrame(draw: () => void): void {
  waiting.add(draw);
  if (asked) return;
  asked = true;
  requestAnimationFrame(run);
}

function run(): void {
  asked = false;
  const draws = [...waiting];
  waiting.clear();
  for (const draw of draws) draw();
}

/** Follows `value`, but changes at most once in `interval_ms`: what comes in between is passed over for the newest. */
export function atMostEvery<T>(value: Accessor<T>, interval_ms: number): Accessor<T> {
  const [shown, setShown] = createSignal(untrack(value));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = (): void => {
    timer = setTimeout(() => {
      timer = undefined;
      take(untrack(value));
    }, interval_ms);
  };
  const take = (newest: T): void => {
    if (timer !== undefined || newest === untrack(shown)) return;
    setShown(() => newest);
    rest();
  };
  createEffect(() => take(value()));
  onCleanup(() => clearTimeout(timer));
  return shown;
}
