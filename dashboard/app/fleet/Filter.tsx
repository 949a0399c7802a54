import { createEffect, createSignal, on, onCleanup, Show } from "solid-js";
import { api } from "../lib/api.js";
import { compareNames } from "../lib/groups.js";
import { setQuery } from "../lib/router.js";
import type { Choice } from "./choice.js";

/** Of how many matches one goes from one to the next. */
const ASKED = 100;
const PAUSE_MS = 200;

interface Match {
  id: string;
  group: string;
}

/** Cells that do not match lose their ink; the first that does comes into sight, Enter goes on to the next. */
export function Filter(props: { choice: Choice; onFound: (id: string, group: string) => void }) {
  const [found, setFound] = createSignal<Match[] | null>(null);
  const [at, setAt] = createSignal(0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const show = (index: number): void => {
    setAt(index);
    const match = found()?.[index];
    if (match) props.onFound(match.id, match.group);
  };
  createEffect(
    on([props.choice.filter, props.choice.group], async ([text, group]) => {
      if (text === "") return void setFound(null);
      const list = await findIn(text, group);
      if (text !== props.choice.filter()) return;
      const order = new Map(props.choice.rows().map((path, i) => [path, i]));
      const place = (one: Match): number => order.get(one.group) as number;
      setFound(list.filter((one) => order.has(one.group)).sort((a, b) => place(a) - place(b) || compareNames(a.id, b.id)));
      show(0);
    }),
  );
  const look = (text: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => setQuery({ q: text === "" ? null : text }), PAUSE_MS);
  };
  const onKey = (event: KeyboardEvent): void => {
    const count = found()?.length ?? 0;
    if (event.key === "Enter" && count > 0) show((at() + (event.shiftKey ? count - 1 : 1)) % count);
  };
  const words = (list: Match[]): string =>
    list.length === 0 ? "no match" : `${at() + 1} of ${list.length}${list.length >= ASKED ? " or more" : ""}`;
  return (
    <span class="named">
      <input
        class="filter"
        type="search"
        value={props.choice.filter()}
        placeholder="Filter by name"
        title="Enter goes on to the next match"
        aria-label="Filter by name"
        autocomplete="off"
        onInput={(event) => look(event.currentTarget.value.trim())}
        onKeyDown={onKey}
      />
      <Show when={found()}>
        {(list) => (
          <span class="sub" role="status">
            {words(list())}
          </span>
        )}
      </Show>
    </span>
  );
}

async function findIn(text: string, group: string): Promise<Match[]> {
  const answer = await api.devicesOf(group, ASKED, text).catch(() => ({ devices: [] }));
  return answer.devices.map((device) => ({ id: device.id, group: device.group }));
}
