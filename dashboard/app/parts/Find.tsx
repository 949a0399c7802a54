import { createSignal, For, onCleanup, Show } from "solid-js";
import { api } from "../lib/api.js";
import { groupWords, shortName } from "../lib/format.js";
import { groupPaths } from "../lib/groups.js";
import { go, href } from "../lib/router.js";

interface Hit {
  name: string;
  where: string;
  address: string;
}

/** Finds devices (asked of the server) and groups (known here). */
export function Find() {
  const [hits, setHits] = createSignal<Hit[]>([]);
  const [at, setAt] = createSignal(0);
  const [open, setOpen] = createSignal(false);
  let input!: HTMLInputElement;
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));

  const look = (): void => {
    clearTimeout(timer);
    timer = setTimeout(async () => setHits(await search(input.value.trim())), 120);
  };
  const choose = (hit: Hit | undefined): void => {
    if (!hit) return;
    input.value = "";
    setHits([]);
    input.blur();
    go(hit.address);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter") choose(hits()[at()]);
    else if (event.key === "Escape") input.blur();
    else if (event.key === "ArrowDown") setAt(Math.min(hits().length - 1, at() + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at() - 1));
    else return;
    event.preventDefault();
  };
  return (
    <div class="find">
      <input id="find" ref={input} type="search" placeholder="Find a device or group" aria-label="Find a device or group" autocomplete="off"
        onInput={() => (setAt(0), look())} onKeyDown={onKey} onFocus={() => setOpen(true)} onBlur={() => setTimeout(() => setOpen(false), 150)} />
      <kbd>/</kbd>
      <Show when={open() && hits().length > 0}>
        <ul class="hits">
          <For each={hits()}>
            {(hit, i) => <li classList={{ on: i() === at() }} onMouseDown={() => choose(hit)}><span>{hit.name}</span><span class="sub">{hit.where}</span></li>}
          </For>
        </ul>
      </Show>
    </div>
  );
}

async function search(text: string): Promise<Hit[]> {
  if (text === "") return [];
  const groups = groupPaths()
    .filter((path) => path !== "" && path.toLowerCase().includes(text.toLowerCase()))
    .slice(0, 4)
    .map((path) => ({ name: groupWords(path), where: "group", address: href("fleet", path) }));
  const devices = await api.devices(text, 8).then((answer) => answer.devices, () => []);
  return [...groups, ...devices.map((device) => ({ name: shortName(device.id), where: groupWords(device.group), address: href("device", device.id) }))];
}
