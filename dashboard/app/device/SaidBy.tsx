import { createSignal, Show } from "solid-js";
import type { Device } from "../../client/index.js";
import { formatExact, formatTime, readable } from "../lib/format.js";
import { now } from "../lib/live.js";
import { describe } from "../lib/register.js";

/** Who said something of the device last, and a way back. */
export function SaidBy(props: { device: Device }) {
  const said = () => props.device.about?.said;
  const [isAsked, setAsked] = createSignal(false);
  const [failure, setFailure] = createSignal<string | null>(null);
  const undo = async (): Promise<void> => {
    const back = said()?.undo;
    if (!back) return;
    setAsked(true);
    setFailure(null);
    try {
      await describe(props.device.id, back);
    } catch (error) {
      setFailure((error as Error).message);
    }
    setAsked(false);
  };
  return (
    <Show when={said()}>
      {(one) => (
        <p class="sub said-by">
          <span title={formatExact(one().time)}>
            Changed by {readable(one().by)}, {formatTime(one().time, now())}
          </span>{" "}
          <button class="button" type="button" title="Takes the last change back" disabled={isAsked()} onClick={() => void undo()}>
            {isAsked() ? "Asked…" : "Undo"}
          </button>
          <Show when={failure()}>
            {(why) => (
              <span class="wrong" role="alert">
                {" "}
                Not undone. {why()}
              </span>
            )}
          </Show>
        </p>
      )}
    </Show>
  );
}
