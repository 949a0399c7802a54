import type { CommandState } from "../../client/index.js";

/** How far a command got as a shape: outline, half filled, filled, filled with a tick; crossed where it goes no further. */
export function CommandGlyph(props: { state: CommandState }) {
  const isOver = (): boolean => props.state === "expired" || props.state === "refused";
  const isThere = (): boolean => props.state === "delivered" || props.state === "answered";
  return (
    <svg class={`glyph command-${props.state}`} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      {isThere() ? (
        <rect x="1" y="1" width="10" height="10" rx="1.5" class="fill" />
      ) : (
        <rect x="1.75" y="1.75" width="8.5" height="8.5" rx="1" class="line" />
      )}
      {props.state === "sent" && <rect x="2" y="6" width="8" height="4" class="fill" />}
      {props.state === "answered" && <path d="M3.2 6.2l2 2 3.6-4.2" class="tick" />}
      {isOver() && <path d="M3.5 3.5l5 5M8.5 3.5l-5 5" class="line" />}
    </svg>
  );
}
