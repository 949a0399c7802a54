import { Show } from "solid-js";
import type { Unit } from "../lib/units.js";

/** A unit; one that only the name suggests says so when it is pointed at. */
export function UnitMark(props: { style: Unit; metric: string }) {
  const isGuess = (): boolean => props.style.guessed === true && props.style.unit !== null;
  return (
    <Show when={isGuess()} fallback={<small>{props.style.unit}</small>}>
      <small class="guess" title={`Guessed from the name: [metric."${props.metric}"] unit = "…" in the configuration says it`}>
        {props.style.unit}
      </small>
    </Show>
  );
}
