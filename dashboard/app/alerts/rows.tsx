import { createSignal, For, Show } from "solid-js";
import type { Alert, AlertBurst } from "../../client/index.js";
import { isBurst, newest, type Line } from "../lib/alerts.js";
import { api } from "../lib/api.js";
import {
  exactValue,
  formatClock,
  formatExact,
  formatNumber,
  formatSpan,
  formatValue,
  groupWords,
  plural,
  readable,
  shortName,
} from "../lib/format.js";
import { now } from "../lib/live.js";
import { href } from "../lib/router.js";
import { alertTitle, lasted, valuesText } from "../lib/rules.js";
import { unitOf } from "../lib/units.js";
import { Act } from "./Act.js";
import { Failure } from "../parts/Failure.js";

const PAGE = 100;

/** A line: an alert, or many at once. */
export function LineRow(props: { line: Line }) {
  const burst = (): AlertBurst | null => (isBurst(props.line) ? props.line : null);
  return (
    <Show when={burst()} fallback={<Row alert={props.line as Alert} />}>
      {(one) => <BurstRow burst={one()} />}
    </Show>
  );
}

/** One line for what happened to many at once. */
function BurstRow(props: { burst: AlertBurst }) {
  const [open, setOpen] = createSignal(false);
  const burst = () => props.burst;
  const active = (): number => burst().raised + burst().acknowledged;
  return (
    <>
      <tr data-row tabindex="0" classList={{ done: burst().raised === 0 }}>
        <td class="severity">
          <i class={burst().raised > 0 ? burst().severity : "none"} title={burst().severity} />
        </td>
        <td class="what">
          {burst().rule}: {burst().text} <span class="sub severity-word">· {burst().severity}</span>
        </td>
        <td class="device">{plural(active(), "alert")}</td>
        <td class="where sub">
          {burst().count === active() ? "at once" : `of ${burst().count} at once`}
          {burst().acknowledged > 0 ? `, ${burst().acknowledged} acknowledged` : ""}
        </td>
        <td class="right value" />
        <td class="right since" title={`${formatExact(burst().first)} to ${formatExact(burst().last)}`}>
          {formatClock(burst().first, now())} <span class="sub">{formatSpan(now() - burst().first)}</span>
        </td>
        <td class="right act">
          <button class="button" type="button" aria-expanded={open()} onClick={() => setOpen(!open())}>
            {open() ? "Hide" : "Show them"}
          </button>
        </td>
      </tr>
      <Show when={open()}>
        <tr>
          <td colspan="7">
            <Listed burst={burst().id} />
          </td>
        </tr>
      </Show>
    </>
  );
}

/** Alerts that hold, of a line or of all, as the server has them when it is asked. */
function Listed(props: { burst?: string }) {
  const [alerts, setAlerts] = createSignal<Alert[]>([]);
  const [next, setNext] = createSignal<string | null>(null);
  const [error, setError] = createSignal<string | null>(null);
  const load = async (cursor: string | null): Promise<void> => {
    try {
      const page = await api.alerts({ state: "active", burst: props.burst }, PAGE, cursor);
      setAlerts((known) => [...known, ...page.alerts]);
      setNext(page.next);
      setError(null);
    } catch (failure) {
      setError((failure as Error).message);
    }
  };
  void load(null);
  return (
    <>
      <table class="list alerts">
        <tbody>
          <For each={alerts()}>{(alert) => <Row alert={newest(alert)} />}</For>
        </tbody>
      </table>
      <Failure why={error()} />
      <Show when={next()}>
        {(cursor) => (
          <p>
            <button class="button" type="button" onClick={() => void load(cursor())}>
              Show more
            </button>
          </p>
        )}
      </Show>
    </>
  );
}

function Row(props: { alert: Alert }) {
  const alert = () => props.alert;
  const start = () => (alert().state === "cleared" ? alert().cleared : alert().raised);
  const digits = () => unitOf(alert().metric).decimals;
  /** What the column shows first: how it began while it holds, how far it went once it is over. */
  const first = () => (alert().state === "cleared" ? (alert().peak ?? alert().cleared_value) : alert().raised_value);
  const second = (): string | null => {
    const { state, peak, raised_value, cleared_value } = alert();
    if (state !== "cleared") return peak === null || peak === raised_value ? null : `peak ${formatNumber(peak, digits())}`;
    return cleared_value === null || peak === null ? null : `cleared at ${formatNumber(cleared_value, digits())}`;
  };
  return (
    <tr data-row tabindex="0" classList={{ done: alert().state !== "raised" }}>
      <td class="severity">
        <i class={alert().state === "raised" ? alert().severity : "none"} title={alert().severity} />
      </td>
      <td class="what">
        {alertTitle(alert())} <span class="sub severity-word">· {alert().severity}</span>
      </td>
      <td class="device" title={readable(alert().device)}>
        <a href={href("device", alert().device)}>{shortName(alert().device)}</a>
      </td>
      <td class="where sub">{groupWords(alert().group)}</td>
      <td class="right value" title={valuesText(alert(), (value) => exactValue(value, null))}>
        {formatValue(first(), digits())} <small>{alert().unit}</small>{" "}
        <Show when={second()}>{(words) => <span class="sub">{words()}</span>}</Show>
      </td>
      <td
        class="right since"
        title={`${formatExact(alert().raised)}${alert().cleared === null ? "" : ` to ${formatExact(alert().cleared)}`}`}
      >
        {formatClock(start(), now())}{" "}
        <span class="sub">
          {alert().cleared === null ? "" : "after "}
          {formatSpan(lasted(alert(), now()))}
        </span>
      </td>
      <td class="right act">
        <Act alert={alert()} />
      </td>
    </tr>
  );
}
