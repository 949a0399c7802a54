import { onCleanup, onMount, type JSX } from "solid-js";

interface Props {
  /** Of what it is: a screen reader says it. */
  label: string;
  title: string;
  /** The whole of a title that may be cut. */
  whole: string;
  kind?: string;
  onClose: () => void;
  children: JSX.Element;
}

/**
 * Something beside the page. It takes the focus, to what is marked `data-first` or to itself, and gives it back to where it was;
 * Escape closes it. The page stays in reach.
 */
export function Panel(props: Props) {
  let panel!: HTMLElement;
  const before = document.activeElement;
  const onKey = (event: KeyboardEvent): void =>
    void (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]") && props.onClose());
  onMount(() => {
    document.addEventListener("keydown", onKey);
    (panel.querySelector<HTMLElement>("[data-first]") ?? panel).focus({ preventScroll: true });
  });
  onCleanup(() => {
    document.removeEventListener("keydown", onKey);
    const isHere = panel.contains(document.activeElement) || document.activeElement === document.body;
    // After all that goes with the panel has gone: where the focus comes to, something is done about it.
    queueMicrotask(() => isHere && before instanceof HTMLElement && before.isConnected && before.focus({ preventScroll: true }));
  });
  return (
    <section class={`panel ${props.kind ?? ""}`} role="dialog" aria-label={props.label} tabindex="-1" ref={panel}>
      <div class="head">
        <h2 class="clip" title={props.whole}>
          {props.title}
        </h2>
        <button class="quiet" type="button" onClick={() => props.onClose()}>
          Close
        </button>
      </div>
      {props.children}
    </section>
  );
}
