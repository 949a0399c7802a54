// Of many groups of cells the Tab key stops at one.
import { createSignal } from "solid-js";

const [drawn, setDrawn] = createSignal<readonly string[]>([]);
const [visited, setVisited] = createSignal<string | null>(null);
export { setVisited };

/** Cells of the group are on the page; the answer takes them off. */
export function draw(group: string): () => void {
  setDrawn((all) => [...all, group]);
  return () => queueMicrotask(() => setDrawn((all) => all.filter((one) => one !== group)));
}

/** The group where the focus was last, else the first one drawn. */
export function entryOf(rows: readonly string[]): string | undefined {
  const all = drawn();
  return rows.find((path) => path === visited() && all.includes(path)) ?? rows.find((path) => all.includes(path));
}
