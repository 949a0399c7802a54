import { isTrouble, type MqttClient } from "../lib/clients.js";

export const CLIENT_STATE_WORDS = { connected: "connected", sleeping: "sleeping, session kept", gone: "gone" } as const;

/** Connected: filled; sleeping: outline; gone: crossed, in the colour of trouble only where it did not say goodbye. */
export function ClientGlyph(props: { client: Pick<MqttClient, "state" | "last_end"> }) {
  const state = () => props.client.state;
  return (
    <svg
      class={`glyph client-${state()}`}
      classList={{ trouble: state() === "gone" && isTrouble(props.client.last_end) }}
      width="12"
      height="12"
      viewBox="0 0 12 12"
      aria-hidden="true"
    >
      {state() === "connected" ? (
        <rect x="1" y="1" width="10" height="10" rx="1.5" class="fill" />
      ) : (
        <rect x="1.75" y="1.75" width="8.5" height="8.5" rx="1" class="line" />
      )}
      {state() === "gone" && <path d="M3.5 3.5l5 5M8.5 3.5l-5 5" class="line" />}
    </svg>
  );
}
