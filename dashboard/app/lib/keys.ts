import { createSignal } from "solid-js";
import { go } from "./router.js";

const [help, setHelp] = createSignal(false);
export { help, setHelp };

export const KEYS: readonly [keys: string, meaning: string][] = [
  ["/", "Find a device or group"],
  ["g f", "Go to the fleet"],
  ["g a", "Go to alerts"],
  ["g c", "Go to clients"],
  ["g p", "Go to problems"],
  ["g s", "Go to status"],
  ["j k", "Next, previous row"],
  ["a", "Acknowledge the alert in focus"],
  ["← ↑ → ↓", "Move between cells"],
  ["+ −", "Zoom a chart in and out"],
  ["Enter", "Open; again: open the page"],
  ["Esc", "Close"],
  ["?", "This list"],
];

const PLACES: Record<string, string> = { f: "/", a: "/alerts", c: "/clients", p: "/problems", s: "/status" };
let going = false;

const isTyping = (target: EventTarget | null): boolean => target instanceof HTMLElement && target.matches("input, textarea, select");

export function listenKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || help()) return;
    if (going && PLACES[event.key]) {
      going = false;
      return go(PLACES[event.key] as string);
    }
    going = event.key === "g";
    if (event.key === "/") {
      event.preventDefault();
      document.querySelector<HTMLInputElement>("#find")?.focus();
    } else if (event.key === "?") setHelp(true);
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "+" || event.key === "-")
      document.querySelector<HTMLButtonElement>(`[data-zoom="${event.key === "+" ? "in" : "out"}"]`)?.click();
    else if (event.key === "a") document.activeElement?.querySelector<HTMLButtonElement>("[data-acknowledge]")?.click();
  });
}

/** Moves focus among the rows of the page. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  const at = rows.indexOf(document.activeElement?.closest<HTMLElement>("[data-row]") as HTMLElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
