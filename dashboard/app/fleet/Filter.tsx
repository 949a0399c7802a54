import { onCleanup, onMount } from "solid-js";
import { api } from "../lib/api.js";
import { groupPaths, isBelow } from "../lib/groups.js";
import { setQuery } from "../lib/router.js";

/** Of how many matches the first group is looked for. */
const FILTER_ASKED = 100;

/** Cells that do not match lose their ink; the first group with one that does comes into sight. */
export function Filter(props: { q: string; group: string }) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const look = (text: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      setQuery({ q: text === "" ? null : text });
      if (text !== "") void showFirst(text, props.group);
    }, 200);
  };
  onMount(() => props.q !== "" && void showFirst(props.q, props.group));
  return <input class="filter" type="search" value={props.q} placeholder="Filter by name" aria-label="Filter by name" autocomplete="off" onInput={(event) => look(event.currentTarget.value.trim())} />;
}

async function showFirst(text: string, group: string): Promise<void> {
  const { devices } = await api.devices(text, FILTER_ASKED).catch(() => ({ devices: [] }));
  const found = new Set(devices.map((device) => device.group));
  const path = groupPaths().find((one) => found.has(one) && isBelow(one, group));
  const floors = [...document.querySelectorAll<HTMLElement>(".floor")];
  floors.find((floor) => floor.dataset["path"] === path)?.scrollIntoView({ block: "center" });
}
