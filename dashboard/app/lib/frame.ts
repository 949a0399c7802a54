// One animation frame coalesces all drawing.

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
