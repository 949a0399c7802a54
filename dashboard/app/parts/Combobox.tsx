import { createSignal, For, onCleanup, Show } from "solid-js";
import type { Hit } from "../lib/hits.js";

/** A pause of the typing after which it is looked for. */
const PAUSE_MS = 120;

interface Props {
  /** Of the input; the list's is made of it. */
  id: string;
  /** What is looked for: the input's name. */
  words: string;
  /** Said when nothing fits. */
  none: string;
  search: (text: string) => Promise<Hit[]>;
  onChoose: (hit: Hit) => void;
}

/** An input with a list of what fits, worked by arrows, Enter, Escape, mouse and finger. */
export function Combobox(props: Props) {
  const [hits, setHits] = createSignal<Hit[] | null>(null);
  const [at, setAt] = createSignal(0);
  const [open, setOpen] = createSignal(false);
  let input!: HTMLInputElement;
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));

  const look = (): void => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const text = input.value.trim();
      const found = text === "" ? null : await props.search(text);
      // The answer to an older text must not take the place of a newer one's.
      if (text === input.value.trim()) setHits(found);
    }, PAUSE_MS);
  };
  const choose = (hit: Hit | undefined): void => {
    if (!hit) return;
    input.value = "";
    setHits(null);
    input.blur();
    props.onChoose(hit);
  };
  const isShown = (): boolean => open() && hits() !== null;
  const list = (): string => `${props.id}-hits`;
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter") choose(hits()?.[at()]);
    else if (event.key === "Escape") input.blur();
    else if (event.key === "ArrowDown") setAt(Math.max(0, Math.min((hits()?.length ?? 0) - 1, at() + 1)));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at() - 1));
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        id={props.id}
        ref={input}
        type="search"
        placeholder={props.words}
        aria-label={props.words}
        autocomplete="off"
        role="combobox"
        aria-expanded={isShown()}
        aria-controls={isShown() ? list() : undefined}
        aria-autocomplete="list"
        aria-activedescendant={isShown() && hits()?.length ? `${list()}-${at()}` : undefined}
        onInput={() => (setAt(0), look())}
        onKeyDown={onKey}
        onFocus={() => setOpen(true)}
        onBlur={() => setTimeout(() => setOpen(false), 150)}
      />
      <Show when={isShown()}>
        <ul class="hits" id={list()} role="listbox" aria-label="Found">
          <For
            each={hits()}
            fallback={
              <li class="none" role="option" aria-disabled="true" aria-selected="false">
                {props.none}
              </li>
            }
          >
            {(hit, i) => (
              <li
                id={`${list()}-${i()}`}
                role="option"
                aria-selected={i() === at()}
                title={`${hit.name}, ${hit.where}`}
                classList={{ on: i() === at() }}
                onMouseDown={() => choose(hit)}
              >
                <span>{hit.name}</span>
                <span class="sub">{hit.where}</span>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </>
  );
}
