// What the browser calls each page: its tabs, its history and a screen reader tell them apart by it.
import { groupWords, shortName } from "./format.js";
import type { Route } from "./router.js";

/** Pages of the navigation: what the address begins with, and what it is called. `App.tsx` has what each shows. */
export const PAGE_TITLES = [
  ["fleet", "Fleet"],
  ["alerts", "Alerts"],
  ["clients", "Clients"],
  ["problems", "Problems"],
  ["status", "Status"],
] as const;

/** The most particular first; in front of all how many alerts wait. */
export function titleOf({ page, name }: Pick<Route, "page" | "name">, raised: number): string {
  const named = page === "device" ? shortName(name) : name === "" ? null : groupWords(name);
  const title = named ?? PAGE_TITLES.find(([known]) => known === page)?.[1];
  return `${raised > 0 ? `(${raised}) ` : ""}${title} – Tidegate`;
}
