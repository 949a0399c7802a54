import type { State } from "../../client/index.js";

export const STATES: readonly State[] = ["fresh", "late", "asleep", "lost"];
export const STATE_WORDS: Record<State, string> = { fresh: "fresh", late: "late", asleep: "asleep, as planned", lost: "lost" };

/** A state as a shape: filled, half filled, outline, crossed; an alert is a ring. */
export function Glyph(props: { state: State; alert?: boolean }) {
  return (
    <svg
      class={`glyph ${props.state}`}
      classList={{ ringed: props.alert ?? false }}
      width="12"
      height="12"
      viewBox="0 0 12 12"
      aria-hidden="true"
    >
      {props.state === "fresh" && <rect x="1" y="1" width="10" height="10" rx="1.5" class="fill" />}
      {props.state !== "fresh" && <rect x="1.75" y="1.75" width="8.5" height="8.5" rx="1" class="line" />}
      {props.state === "late" && <rect x="2" y="6" width="8" height="4" class="fill" />}
      {props.state === "lost" && <path d="M3.5 3.5l5 5M8.5 3.5l-5 5" class="line" />}
    </svg>
  );
}
