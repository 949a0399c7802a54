// What a search found, in the order a person looks for it.
import { compareNames } from "./groups.js";

export interface Hit {
  /** Of the device or group. */
  id: string;
  name: string;
  where: string;
  address: string;
}

/** Is it so called, does it begin so, does it hold the text somewhere. */
function rank(name: string, text: string): number {
  const at = name.toLowerCase().indexOf(text.toLowerCase());
  if (at === 0) return name.length === text.length ? 0 : 1;
  return at > 0 ? 2 : 3;
}

export function sortHits(hits: readonly Hit[], text: string): Hit[] {
  return [...hits].sort(
    (a, b) => rank(a.name, text) - rank(b.name, text) || compareNames(a.name, b.name) || compareNames(a.where, b.where),
  );
}
