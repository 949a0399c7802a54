import { createMemo, For, Show } from "solid-js";
import type { StateCounts } from "../../client/index.js";
import { formatNumber } from "../lib/format.js";
import { groupPaths, groupTable, inAlertOf, lastLevel, statesOf, total } from "../lib/groups.js";
import { roves } from "../lib/roving.js";
import { href, route } from "../lib/router.js";
import { AlertMark } from "./AlertMark.js";
import { Glyph, STATES, STATE_WORDS } from "./Glyph.js";

/** All groups with their alerts and a bar of their states, and what the states mean. */
export function GroupTree() {
  const here = (path: string): boolean => route().page === "fleet" && route().name === path;
  return (
    <>
      <h2>Groups</h2>
      <nav aria-label="Groups" ref={roves}>
        <Show when={groupTable()} fallback={<div class="skeleton lines" />}>
          <For each={groupPaths().includes("") ? groupPaths() : ["", ...groupPaths()]}>
            {(path) => (
              <a
                class="node"
                classList={{ on: here(path), [`level${Math.min(4, path === "" ? 0 : path.split("/").length)}`]: true }}
                aria-current={here(path) ? "page" : undefined}
                href={href("fleet", path)}
              >
                <span class="clip">{path === "" ? "All devices" : lastLevel(path)}</span>
                <AlertMark counts={inAlertOf(path)} />
                <StateBar counts={statesOf(path)} />
              </a>
            )}
          </For>
        </Show>
      </nav>
      <h2>State</h2>
      <For each={STATES}>
        {(state) => (
          <div class="node">
            <span class="with-glyph">
              <Glyph state={state} />
              {STATE_WORDS[state]}
            </span>
            <span>{formatNumber(statesOf("")[state])}</span>
          </div>
        )}
      </For>
    </>
  );
}

function StateBar(props: { counts: StateCounts }) {
  const words = createMemo(() => STATES.map((state) => `${props.counts[state]} ${state}`).join(", "));
  return (
    <span class="bar" title={words()} role="img" aria-label={words()}>
      <For each={STATES.filter((state) => props.counts[state] > 0)}>
        {(state) => <i class={state} style={{ "flex-grow": props.counts[state] / Math.max(1, total(props.counts)) }} />}
      </For>
    </span>
  );
}
