import { createSignal } from "solid-js";

export type Theme = "system" | "light" | "dark";
const KEY = "tidegate.theme";

const system = matchMedia("(prefers-color-scheme: dark)");
const [theme, setSignal] = createSignal<Theme>((localStorage.getItem(KEY) as Theme | null) ?? "system");
/** Grows whenever colours on canvas must be read again. */
const [palette, setPalette] = createSignal(0);
export { theme, palette };

function apply(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  setPalette((n) => n + 1);
}

export function nextTheme(): void {
  const isDark = theme() === "dark" || (theme() === "system" && system.matches);
  const chosen: Theme = isDark ? "light" : "dark";
  setSignal(chosen);
  localStorage.setItem(KEY, chosen);
  apply();
}

system.addEventListener("change", apply);
apply();

let probe: HTMLElement | null = null;

/** A colour of the style sheet as the browser resolves it, for canvas. */
export function colour(name: string): string {
  if (!probe) {
    probe = document.createElement("i");
    probe.hidden = true;
    document.documentElement.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** CSS pixels of a `rem`: what is drawn on canvas grows with the letters, for a reader and on a wall. */
export const rem = (): number => parseFloat(getComputedStyle(document.documentElement).fontSize);
