import { createEffect, createMemo, createSignal, For, Match, Show, Switch } from "solid-js";
import type { Alert, AlertBurst } from "../../client/index.js";
import { acknowledgedCount, activeLines, allAlerts, clearedAlerts, historyError, isBurst, loadHistory, newest, older, raisedCount, unshownCount, type Line } from "../lib/alerts.js";
import { api, poll } from "../lib/api.js";
import { exactValue, formatClock, formatExact, formatNumber, formatSpan, formatValue, groupWords, plural, readable, shortName } from "../lib/format.js";
import { now } from "../lib/live.js";
import { href, route, setQuery } from "../lib/router.js";
import { alertTitle, clearsText, lasted, ruleText, thresholdUnit, valuesText } from "../lib/rules.js";
import { muted, setMuted } from "../lib/sound.js";
import { findUnit, unitOf } from "../lib/units.js";
import { Act } from "../alerts/Act.js";
import { Unseen } from "../parts/Unseen.js";

/** How many of their alerts hold changes. */
const RULES_EVERY_MS = 5_000;
const PAGE = 100;
const TABS = [["active", "Active"], ["recent", "Recent"], ["rules", "Rules"]] as const;

export function Alerts() {
  const tab = (): string => route().query.get("show") ?? "active";
  const recent = (): boolean => tab() === "recent";
  const shown = (): Line[] => (recent() ? clearedAlerts() : activeLines());
  const lines = createMemo(() => new Map(shown().map((line) => [line.id, line])));
  const [all, setAll] = createSignal(false);
  createEffect(() => recent() && void loadHistory(null));
  // Of the decimals that a metric has at its device.
  createEffect(() => {
    for (const line of shown()) if (!isBurst(line) && line.metric !== null) void findUnit(line.metric, line.group);
  });
  return (
    <>
      <div class="head">
        <h1>Alerts</h1>
        <span class="sub"><Show when={allAlerts()}>{plural(raisedCount() + acknowledgedCount(), "active alert")}</Show><Show when={acknowledgedCount() > 0}>, {acknowledgedCount()} acknowledged</Show></span>
        <div class="tools">
          <div class="segments" role="group" aria-label="Which alerts">
            <For each={TABS}>
              {([name, words]) => <button type="button" classList={{ on: tab() === name }} aria-pressed={tab() === name} onClick={() => setQuery({ show: name === "active" ? null : name })}>{words}</button>}
            </For>
          </div>
          <button class="button" type="button" aria-pressed={muted()} onClick={() => setMuted(!muted())}>{muted() ? "Sound is off" : "Mute sound"}</button>
        </div>
      </div>
      <Show when={tab() !== "rules"} fallback={<Rules />}>
        <Show when={allAlerts()} fallback={<div class="skeleton tall" aria-label="Loading" />}>
          <Show when={shown().length > 0} fallback={<Nothing recent={recent()} />}>
            <table class="list alerts">
              <thead><tr><Unseen words="Severity" /><th>Alert</th><th>Device</th><th>Where</th><th class="right">{recent() ? "Peak, when cleared" : "When raised, peak"}</th><th class="right">{recent() ? "Cleared, after" : "Since, for"}</th><Unseen words="Acknowledgement" /></tr></thead>
              <tbody><For each={[...lines().keys()]}>{(id) => <LineRow line={lines().get(id) as Line} />}</For></tbody>
            </table>
          </Show>
          <Show when={!recent() && unshownCount() > 0}>
            <p class="sub">{plural(unshownCount(), "more alert")} {unshownCount() === 1 ? "holds" : "hold"}. <button class="button" type="button" aria-expanded={all()} onClick={() => setAll(!all())}>{all() ? "Hide the list" : "List all, newest first"}</button></p>
            <Show when={all()}><Listed /></Show>
          </Show>
          <Show when={recent()}>
            <Show when={historyError()}>{(why) => <p class="wrong" role="alert">{why()}</p>}</Show>
            <Show when={older()}>{(cursor) => <p><button class="button" type="button" onClick={() => void loadHistory(cursor())}>Show older</button></p>}</Show>
          </Show>
        </Show>
      </Show>
    </>
  );
}

/** What raises alerts: the configuration, in words. */
function Rules() {
  const answer = poll(() => api.rules(), RULES_EVERY_MS);
  createEffect(() => {
    for (const rule of answer.value()?.rules ?? []) if (rule.metric !== null) void findUnit(rule.metric, "");
  });
  return (
    <Switch fallback={<div class="skeleton tall" aria-label="Loading" />}>
      <Match when={answer.value()?.rules.length === 0}>
        <div class="empty"><h2>No rule is set.</h2><p>Rules are in the configuration under <code>[[alert]]</code>: a threshold, or silence, for some devices or all.</p></div>
      </Match>
      <Match when={answer.value()?.rules}>
        {(rules) => (
          <table class="list alerts rules">
            <thead><tr><Unseen words="Severity" /><th>Rule</th><th>Devices</th><th>Where</th><th class="right">Active now</th></tr></thead>
            <tbody>
              <For each={rules()}>
                {(rule) => (
                  <tr data-row tabindex="0">
                    <td class="severity"><i class={rule.severity} title={rule.severity} /></td>
                    <td class="what">{alertTitle({ metric: rule.metric, text: ruleText(rule, unitOf(rule.metric)) })} <span class="sub severity-word"><Show when={clearsText(rule, unitOf(rule.metric))}>{(words) => <>· {words()} </>}</Show>· {rule.severity} · {rule.name}</span></td>
                    <td class="device">{rule.device ?? <span class="sub">all devices</span>}</td>
                    <td class="where sub">{rule.group === null ? "everywhere" : groupWords(rule.group)}</td>
                    <td class="right value">{rule.active === 0 ? <span class="sub">none</span> : rule.active}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        )}
      </Match>
      <Match when={answer.error()}>{(why) => <p class="wrong" role="alert">{why()}</p>}</Match>
    </Switch>
  );
}

function Nothing(props: { recent: boolean }) {
  const rules = poll(() => api.rules(), RULES_EVERY_MS);
  const hasNone = (): boolean => rules.value()?.rules.length === 0;
  return (
    <div class="empty">
      <h2>{props.recent ? "No alert has cleared yet." : hasNone() ? "No alert, for no rule is set." : rules.value() ? "No alert. Everything within its rules." : "No alert."}</h2>
      <Show when={!props.recent}><p>Rules are in the configuration under <code>[[alert]]</code>. An alert is here within a second of the reading.</p></Show>
    </div>
  );
}

function LineRow(props: { line: Line }) {
  const burst = (): AlertBurst | null => (isBurst(props.line) ? props.line : null);
  return <Show when={burst()} fallback={<Row alert={props.line as Alert} />}>{(one) => <BurstRow burst={one()} />}</Show>;
}

/** One line for what happened to many at once. */
function BurstRow(props: { burst: AlertBurst }) {
  const [open, setOpen] = createSignal(false);
  const burst = () => props.burst;
  const active = (): number => burst().raised + burst().acknowledged;
  return (
    <>
      <tr data-row tabindex="0" classList={{ done: burst().raised === 0 }}>
        <td class="severity"><i class={burst().raised > 0 ? burst().severity : "none"} title={burst().severity} /></td>
        <td class="what">{burst().rule}: {burst().text} <span class="sub severity-word">· {burst().severity}</span></td>
        <td class="device">{plural(active(), "alert")}</td>
        <td class="where sub">{burst().count === active() ? "at once" : `of ${burst().count} at once`}{burst().acknowledged > 0 ? `, ${burst().acknowledged} acknowledged` : ""}</td>
        <td class="right value" />
        <td class="right since" title={`${formatExact(burst().first)} to ${formatExact(burst().last)}`}>{formatClock(burst().first, now())} <span class="sub">{formatSpan(now() - burst().first)}</span></td>
        <td class="right act"><button class="button" type="button" aria-expanded={open()} onClick={() => setOpen(!open())}>{open() ? "Hide" : "Show them"}</button></td>
      </tr>
      <Show when={open()}><tr><td colspan="7"><Listed burst={burst().id} /></td></tr></Show>
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
      <table class="list alerts"><tbody><For each={alerts()}>{(alert) => <Row alert={newest(alert)} />}</For></tbody></table>
      <Show when={error()}>{(why) => <p class="wrong" role="alert">{why()}</p>}</Show>
      <Show when={next()}>{(cursor) => <p><button class="button" type="button" onClick={() => void load(cursor())}>Show more</button></p>}</Show>
    </>
  );
}

function Row(props: { alert: Alert }) {
  const alert = () => props.alert;
  const start = () => (alert().state === "cleared" ? alert().cleared : alert().raised);
  const digits = () => unitOf(alert().metric).decimals;
  /** What the column shows first: how it began while it holds, how far it went once it is over. */
  const first = () => (alert().state === "cleared" ? alert().peak ?? alert().cleared_value : alert().raised_value);
  const second = (): string | null => {
    const { state, peak, raised_value, cleared_value } = alert();
    if (state !== "cleared") return peak === null || peak === raised_value ? null : `peak ${formatNumber(peak, digits())}`;
    return cleared_value === null || peak === null ? null : `cleared at ${formatNumber(cleared_value, digits())}`;
  };
  return (
    <tr data-row tabindex="0" classList={{ done: alert().state !== "raised" }}>
      <td class="severity"><i class={alert().state === "raised" ? alert().severity : "none"} title={alert().severity} /></td>
      <td class="what">{alertTitle(alert())} <span class="sub severity-word">· {alert().severity}</span></td>
      <td class="device" title={readable(alert().device)}><a href={href("device", alert().device)}>{shortName(alert().device)}</a></td>
      <td class="where sub">{groupWords(alert().group)}</td>
      <td class="right value" title={valuesText(alert(), (value) => exactValue(value, null))}>
        {formatValue(first(), digits())} <small>{thresholdUnit(alert().text)}</small>
        <Show when={second()}>{(words) => <span class="sub">{words()}</span>}</Show>
      </td>
      <td class="right since" title={`${formatExact(alert().raised)}${alert().cleared === null ? "" : ` to ${formatExact(alert().cleared)}`}`}>{formatClock(start(), now())} <span class="sub">{alert().cleared === null ? "" : "after "}{formatSpan(lasted(alert(), now()))}</span></td>
      <td class="right act"><Act alert={alert()} /></td>
    </tr>
  );
}
