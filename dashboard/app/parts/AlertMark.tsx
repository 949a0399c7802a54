import { Show } from "solid-js";
import type { InAlert } from "../../client/index.js";
import { inAlertTotal, inAlertWords, worstIn } from "../lib/inAlert.js";
import { formatNumber } from "../lib/format.js";

/** How many devices are in alert: a ring, as around a cell, and their number. Nothing where none is. */
export function AlertMark(props: { counts: InAlert }) {
  return (
    <Show when={worstIn(props.counts)}>
      {(severity) => (
        <span class={`mark ${severity()}`} title={inAlertWords(props.counts)}>
          <i />
          <span aria-hidden="true">{formatNumber(inAlertTotal(props.counts))}</span>
          <span class="unseen">{inAlertWords(props.counts)}</span>
        </span>
      )}
    </Show>
  );
}
