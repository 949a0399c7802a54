import { For, Show } from "solid-js";
import {
  exactValue,
  formatMeasured,
  formatMeasuredExact,
  formatValue,
  groupWords,
  deviceName,
  metricName,
  readable,
} from "../lib/format.js";
import { isUnkept, UNKEPT } from "../lib/kept.js";
import { now, openView } from "../lib/live.js";
import { href } from "../lib/router.js";
import { shownAs, styleOf } from "../lib/units.js";
import { Glyph, STATE_WORDS } from "./Glyph.js";
import { UnitMark } from "./UnitMark.js";
import { Panel } from "./Panel.js";

/** A device beside the fleet: what it says now. */
export function SidePanel(props: { id: string; onClose: () => void }) {
  const live = openView<"device">({ kind: "device", device: props.id });
  const device = () => [...(live.table()?.rows.values() ?? [])].map((row) => ({ ...row }))[0];
  const name = () => deviceName({ id: props.id, name: device()?.about?.name });
  const anyCell = () => device()?.cells.find((cell) => cell !== null) ?? null;
  return (
    <Panel label={`Device ${name()}`} title={name()} whole={readable(props.id)} onClose={props.onClose}>
      <Show when={device()} fallback={<div class="skeleton lines" />}>
        {(one) => (
          <>
            <p class="sub with-glyph">
              <Glyph state={one().state} alert={one().alert !== null} />
              {STATE_WORDS[one().state]}
              {one().alert ? `, ${one().alert} alert` : ""}
              <Show when={isUnkept(one())}>
                <span class="wrong">, {UNKEPT}</span>
              </Show>
            </p>
            <p class="sub">{groupWords(one().group)}</p>
            <dl class="dl">
              <For each={one().metrics}>
                {(metric, column) => {
                  const cell = () => one().cells[column()];
                  const style = () => shownAs(metric.name, cell()?.value, styleOf(metric));
                  return (
                    <>
                      <dt>{metricName(metric)}</dt>
                      <dd
                        class="breaks"
                        title={`${exactValue(cell()?.value, style().unit, style().words)}\n${formatMeasuredExact(cell()?.time, cell()?.value)}`}
                      >
                        {formatValue(cell()?.value, style().decimals, style().words)} <UnitMark style={style()} metric={metric.name} />
                        {cell()?.time === null ? <small class="sub"> from before</small> : ""}
                      </dd>
                    </>
                  );
                }}
              </For>
              <dt>Last reading</dt>
              <dd title={formatMeasuredExact(one().time, anyCell())}>{formatMeasured(one().time, anyCell(), now())}</dd>
            </dl>
          </>
        )}
      </Show>
      <a class="button primary" data-first href={href("device", props.id)}>
        Open device
      </a>
    </Panel>
  );
}
