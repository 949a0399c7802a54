import { For, Show } from "solid-js";
import type { Alert, Device } from "../../client/index.js";
import {
  formatClock,
  formatDuration,
  formatExact,
  formatNumber,
  formatMeasured,
  formatMeasuredExact,
  formatSpan,
  groupWords,
  readable,
} from "../lib/format.js";
import { now } from "../lib/live.js";
import { alertTitle, lasted, valuesText } from "../lib/rules.js";
import { unitOf } from "../lib/units.js";
import { Act } from "../alerts/Act.js";
import { STATE_WORDS } from "../parts/Glyph.js";
import { SaidBy } from "./SaidBy.js";

/** Who a device is, how it is, and its alerts. */
export function Facts(props: { device: Device; alerts: Alert[] }) {
  const anyCell = () => props.device.cells.find((cell) => cell !== null) ?? null;
  const interval = (): string | undefined => {
    const interval_ms = props.device.about?.interval_ms;
    if (interval_ms === undefined) return undefined;
    return `every ${formatDuration(interval_ms)}${props.device.about?.said?.interval_ms === undefined ? " at least" : ", expected"}`;
  };
  return (
    <div class="box facts">
      <dl class="dl">
        <dt>Last reading</dt>
        <dd title={formatMeasuredExact(props.device.time, anyCell())}>{formatMeasured(props.device.time, anyCell(), now())}</dd>
        <dt>State</dt>
        <dd>
          {STATE_WORDS[props.device.state]} since {formatClock(props.device.since, now())}
        </dd>
        <dt>Identifier</dt>
        <dd>
          <Levels name={props.device.id} />
        </dd>
        <dt>Group</dt>
        <dd class="breaks">{groupWords(props.device.group)}</dd>
        <Fact name="Model" text={props.device.about?.model} />
        <Fact name="Maker" text={props.device.about?.maker} />
        <Fact name="Software" text={props.device.about?.firmware} />
        <Fact name="Power" text={props.device.about?.power} />
        <Fact name="Reports" text={interval()} />
        <For each={Object.entries(props.device.about?.labels ?? {})}>{([key, value]) => <Fact name={readable(key)} text={value} />}</For>
      </dl>
      <Show when={props.device.about?.notes}>{(notes) => <p class="notes">{readable(notes())}</p>}</Show>
      <SaidBy device={props.device} />
      <h2>Alerts</h2>
      <For each={props.alerts} fallback={<p class="sub">None active, none in the last hour.</p>}>
        {(alert) => (
          <div class="alert" data-row tabindex="0">
            <i class={alert.state === "raised" ? alert.severity : "none"} />
            <span>
              {alertTitle(alert)}
              <br />
              <span class="sub" title={formatExact(alert.raised)}>
                <Show when={valuesText(alert, (value) => formatNumber(value, unitOf(alert.metric).decimals))}>
                  {(words) => <>{words()}, </>}
                </Show>
                {alert.cleared === null
                  ? `since ${formatClock(alert.raised, now())}, for `
                  : `cleared ${formatClock(alert.cleared, now())}, after `}
                {formatSpan(lasted(alert, now()))}
              </span>
            </span>
            <span class="act">
              <Act alert={alert} />
            </span>
          </div>
        )}
      </For>
    </div>
  );
}

/** One thing that is known of the device; nothing where nobody said it. */
function Fact(props: { name: string; text: string | undefined }) {
  return (
    <Show when={props.text}>
      {(text) => (
        <>
          <dt>{props.name}</dt>
          <dd class="breaks">{readable(text())}</dd>
        </>
      )}
    </Show>
  );
}

/** An identifier, which breaks between its levels. */
function Levels(props: { name: string }) {
  const levels = () => props.name.split("/").map(readable);
  return (
    <For each={levels()}>
      {(level, i) => (
        <span class="level">
          {level}
          {i() < levels().length - 1 ? "/" : ""}
        </span>
      )}
    </For>
  );
}
