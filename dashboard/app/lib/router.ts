import { createSignal } from "solid-js";
import { PAGE_TITLES } from "./title.js";

export type Page = (typeof PAGE_TITLES)[number][0] | "device";

export interface Route {
  page: Page;
  /** Group path, or device identifier. */
  name: string;
  query: URLSearchParams;
}

const PAGES: readonly Page[] = ["device", ...PAGE_TITLES.map(([page]) => page)];

/** A level of an address; one that is no encoded text stands for itself. */
function decoded(level: string): string {
  try {
    return decodeURIComponent(level);
  } catch {
    return level;
  }
}

function parse(): Route {
  const [first = "", ...rest] = location.pathname.slice(1).split("/");
  const page = PAGES.find((known) => known === first);
  // An address that is none of ours is the front page, not a group of that name.
  const query = new URLSearchParams(location.search);
  const name = page ? (query.get("name") ?? rest.map(decoded).join("/")) : "";
  // A device's page without a device is none.
  return { page: page === undefined || (page === "device" && name === "") ? "fleet" : page, name, query };
}

const [route, setRoute] = createSignal<Route>(parse());
export { route };

window.addEventListener("popstate", () => setRoute(parse()));

/** Levels that stand for others in an address, however they are written (RFC 3986 section 5.2.4). */
const DOTS = /(^|\/)\.{1,2}(\/|$)/;

export function href(page: Page, name = ""): string {
  if (DOTS.test(name)) return `/${page}?name=${encodeURIComponent(name)}`;
  const tail = name === "" ? "" : `/${name.split("/").map(encodeURIComponent).join("/")}`;
  return page === "fleet" && name === "" ? "/" : `/${page}${tail}`;
}

export function go(address: string): void {
  history.pushState(null, "", address);
  setRoute(parse());
  document.querySelector("main")?.scrollTo(0, 0);
}

/** Writes into the address: without a step in the history, or as one that the browser's way back undoes. */
export function setQuery(values: Record<string, string | readonly string[] | null>, step: "stays" | "steps" = "stays"): void {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    url.searchParams.delete(name);
    for (const one of value === null ? [] : [value].flat()) url.searchParams.append(name, one as string);
  }
  if (step === "steps") history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  setRoute(parse());
}

/** Links stay links (new tab, copy); a plain click stays in the page. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const address = link.getAttribute("href") ?? "";
    if (!address.startsWith("/") || address.startsWith("/v1/")) return;
    event.preventDefault();
    go(address);
  });
}
