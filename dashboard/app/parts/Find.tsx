import { createSignal, For, onCleanup, Show } from "solid-js";
import { api } from "../lib/api.js";
import { groupWords, shortName } from "../lib/format.js";
import { groupPaths } from "../lib/groups.js";
import { sortHits, type Hit } from "../lib/hits.js";
import { go, href } from "../lib/router.js";

/** Groups and devices in the list, and of how many devices the best are chosen. */
const GROUPS = 4;
const DEVICES = 8;
const ASKED = 50;

/** Finds devices (asked of the server) and groups (known here). */
export function Find() {
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
      const found = text === "" ? null : await search(text);
      // The answer to an older text must not take the place of a newer one's.
      if (text === input.value.trim()) setHits(found);
    }, 120);
  };
  const choose = (hit: Hit | undefined): void => {
    if (!hit) return;
    input.value = "";
    setHits(null);
    input.blur();
    go(hit.address);
  };
  const isShown = (): boolean => open() && hits() !== null;
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter") choose(hits()?.[at()]);
    else if (event.key === "Escape") input.blur();
    else if (event.key === "ArrowDown") setAt(Math.max(0, Math.min((hits()?.length ?? 0) - 1, at() + 1)));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at() - 1));
    else return;
    event.preventDefault();
  };
  return (
    <div class="find">
      <input id="find" ref={input} type="search" placeholder="Find a device or group" aria-label="Find a device or group" autocomplete="off" role="combobox" aria-expanded={isShown()} aria-controls="hits" aria-autocomplete="list" aria-activedescendant={isShown() && hits()?.length ? `hit-${at()}` : undefined}
        onInput={() => (setAt(0), look())} onKeyDown={onKey} onFocus={() => setOpen(true)} onBlur={() => setTimeout(() => setOpen(false), 150)} />
      <kbd>/</kbd>
      <Show when={isShown()}>
        <ul class="hits" id="hits" role="listbox" aria-label="Found">
          <For each={hits()} fallback={<li class="none" role="option" aria-disabled="true" aria-selected="false">No device or group is called so.</li>}>
            {(hit, i) => <li id={`hit-${i()}`} role="option" aria-selected={i() === at()} title={`${hit.name}, ${hit.where}`} classList={{ on: i() === at() }} onMouseDown={() => choose(hit)}><span>{hit.name}</span><span class="sub">{hit.where}</span></li>}
          </For>
        </ul>
      </Show>
    </div>
  );
}

async function search(text: string): Promise<Hit[]> {
  const groups = groupPaths()
    .filter((path) => path !== "" && path.toLowerCase().includes(text.toLowerCase()))
    .map((path) => ({ name: groupWords(path), where: "group", address: href("fleet", path) }));
  const devices = await api.devices(text, ASKED).then((answer) => answer.devices, () => []);
  const named = devices.map((device) => ({ name: shortName(device.id), where: groupWords(device.group), address: href("device", device.id) }));
  return [...sortHits(groups, text).slice(0, GROUPS), ...sortHits(named, text).slice(0, DEVICES)];
}
