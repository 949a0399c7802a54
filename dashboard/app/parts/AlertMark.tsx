import { Show } from "solid-js";
import { inAlertTotal, inAlertWords, worstIn } from "../lib/inAlert.js";
import { formatNumber } from "../lib/format.js";

/** How many devices of a group are in alert: a ring, as around a cell, and their number. Nothing where none is. */
export function AlertMark(props: { path: string }) {
  return (
    <Show when={worstIn(props.path)}>
      {(severity) => (
        <span class={`mark ${severity()}`} title={inAlertWords(props.path)}>
          <i />
          <span aria-hidden="true">{formatNumber(inAlertTotal(props.path))}</span>
          <span class="unseen">{inAlertWords(props.path)}</span>
        </span>
      )}
    </Show>
  );
}
