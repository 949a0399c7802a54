import { createEffect, createSignal, on, Show, untrack } from "solid-js";
import { deviceName, exactValue, formatMeasured, formatValue } from "../lib/format.js";
import { isUnkept, UNKEPT } from "../lib/kept.js";
import { now } from "../lib/live.js";
import { shownAs, type Unit } from "../lib/units.js";
import { Glyph, STATE_WORDS } from "../parts/Glyph.js";
import { UnitMark } from "../parts/UnitMark.js";
import type { Focus } from "./FloorCells.js";

/** What the cell in focus says. It is read out once when one goes there, not with each value. */
export function Tip(props: { focus: Focus | null; metric: string | undefined; unit: Unit }) {
  const [spoken, setSpoken] = createSignal("");
  const style = (focus: Focus) => shownAs(props.metric ?? "", focus.cell.value, props.unit);
  const stateWords = ({ cell }: Focus): string =>
    `${STATE_WORDS[cell.state]}${isUnkept(cell) ? `, ${UNKEPT}` : ""}${cell.alert ? `, ${cell.alert} alert` : ""}`;
  const words = (focus: Focus): string => {
    const value = props.metric
      ? `${formatValue(focus.cell.value, style(focus).decimals, style(focus).words)} ${style(focus).unit ?? ""}, `
      : "";
    return `${deviceName(focus.cell)}, ${value}${stateWords(focus)}`;
  };
  createEffect(
    on(
      () => (props.focus?.isEntered ? props.focus.cell.id : null),
      () => setSpoken(untrack(() => (props.focus?.isEntered ? words(props.focus) : ""))),
    ),
  );
  return (
    <>
      <span class="unseen" role="status">
        {spoken()}
      </span>
      <Show when={props.focus}>
        {(focus) => (
          <div
            class="tip"
            aria-hidden="true"
            style={{
              left: `${Math.min(focus().left + focus().size + 4, innerWidth - 240)}px`,
              top: `${Math.min(focus().top + focus().size + 4, innerHeight - 110)}px`,
            }}
          >
            <b>{deviceName(focus().cell)}</b>
            <Show when={props.metric}>
              <span class="big" title={exactValue(focus().cell.value, style(focus()).unit, style(focus()).words)}>
                {formatValue(focus().cell.value, style(focus()).decimals, style(focus()).words)}{" "}
                <UnitMark style={style(focus())} metric={props.metric ?? ""} />
              </span>
            </Show>
            <span class="sub with-glyph">
              <Glyph state={focus().cell.state} alert={focus().cell.alert !== null} />
              {stateWords(focus())}
              {props.metric ? ` · ${formatMeasured(focus().cell.time, focus().cell.value, now())}` : ""}
            </span>
          </div>
        )}
      </Show>
    </>
  );
}
