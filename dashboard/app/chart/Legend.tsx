import { For, Show } from "solid-js";
import { readable, shortName } from "../lib/format.js";
import { href, route, setQuery } from "../lib/router.js";
import { findDevices } from "../lib/search.js";
import { Combobox } from "../parts/Combobox.js";
import { inkOf, type Role } from "./ink.js";
import { SERIES_MAX } from "./lines.js";

/** Devices beside the page's own, as the address has them. */
export const besides = (own: string): string[] =>
  [...new Set(route().query.getAll("with"))].filter((id) => id !== own && id !== "").slice(0, SERIES_MAX - 1);
export const isBefore = (): boolean => route().query.get("before") === "week";

interface Props {
  own: string;
  /** What each device says where the pointer is, else now. */
  reading: (number: number, role: Role) => string;
}

/** Whose line is which, and what can be put beside. */
export function Legend(props: Props) {
  const others = (): string[] => besides(props.own);
  const compare = (list: readonly string[]): void => setQuery({ with: list });
  return (
    <div class="lines">
      <Show when={others().length > 0 || isBefore()}>
        <ul>
          <For each={[props.own, ...others()]}>
            {(id, number) => (
              <li>
                <Sample number={number()} role={number() === 0 ? "main" : "beside"} />
                <Show when={number() > 0} fallback={<span title={readable(id)}>{shortName(id)}</span>}>
                  <a href={href("device", id)} title={readable(id)}>
                    {shortName(id)}
                  </a>
                </Show>
                <b>{props.reading(number(), number() === 0 ? "main" : "beside")}</b>
                <Show when={isBefore()}>
                  <span class="sub with-glyph">
                    <Sample number={number()} role="before" />
                    {props.reading(number(), "before")}
                  </span>
                </Show>
                <Show when={number() > 0}>
                  <button
                    class="quiet"
                    type="button"
                    aria-label={`Take ${shortName(id)} out`}
                    title="Take it out"
                    onClick={() => compare(others().filter((other) => other !== id))}
                  >
                    ×
                  </button>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <div class="beside">
        <Show
          when={others().length < SERIES_MAX - 1}
          fallback={<span class="sub">{SERIES_MAX} devices are all that one chart holds.</span>}
        >
          <div class="find compare">
            <Combobox
              id="compare"
              words="Compare with a device"
              none="No device is called so."
              search={findDevices}
              onChoose={(hit) => compare([...others(), hit.id])}
            />
          </div>
        </Show>
        <button
          class="button"
          type="button"
          classList={{ on: isBefore() }}
          aria-pressed={isBefore()}
          title="The same stretch of time a week earlier, dotted"
          onClick={() => setQuery({ before: isBefore() ? null : "week" })}
        >
          Week before
        </button>
      </div>
    </div>
  );
}

/** A piece of the line as it is drawn. */
function Sample(props: { number: number; role: Role }) {
  const ink = () => inkOf(props.number, props.role);
  return (
    <svg class="sample" classList={{ before: props.role === "before" }} width="22" height="8" viewBox="0 0 22 8" aria-hidden="true">
      <path d="M1 4H21" stroke={`var(--${ink().colour})`} stroke-width="2" stroke-dasharray={ink().dash.join(" ")} />
    </svg>
  );
}
