// Many things to press, one stop of the Tab key: arrows go from one to the next (WAI-ARIA, roving tabindex).

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Makes the links and buttons in `box` one stop: the chosen one, else where the focus was last, else the first. */
export function roves(box: HTMLElement): void {
  const stops = (): HTMLElement[] => [...box.querySelectorAll<HTMLElement>("a[href], button:not(:disabled)")];
  const enter = (at: HTMLElement | undefined): void => {
    for (const stop of stops()) {
      const wanted = stop === at ? 0 : -1;
      if (stop.tabIndex !== wanted) stop.tabIndex = wanted;
    }
  };
  const settle = (): void => {
    const all = stops();
    enter(all.find((stop) => stop === document.activeElement) ?? all.find((stop) => stop.classList.contains("on")) ?? all[0]);
  };
  box.addEventListener("focusin", (event) => enter((event.target as HTMLElement).closest<HTMLElement>("a[href], button") ?? undefined));
  box.addEventListener("keydown", (event) => {
    const by = STEPS[event.key];
    const all = stops();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = by === undefined || at < 0 ? undefined : all[at + by];
    if (by === undefined || at < 0) return;
    event.preventDefault();
    next?.focus();
  });
  new MutationObserver(settle).observe(box, { childList: true, subtree: true, attributeFilter: ["class", "disabled"] });
  queueMicrotask(settle);
}
