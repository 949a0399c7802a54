import { createMemo, For, Show } from "solid-js";
import type { Alert, Device as DeviceRow } from "../../client/index.js";
import { chunks, type Columns } from "../chart/data.js";
import { History } from "../chart/History.js";
import { columnsOf, SERIES_MAX } from "../chart/lines.js";
import { Facts } from "../device/Facts.js";
import { Heading } from "../device/Heading.js";
import { MetricCard, TREND_MS } from "../device/MetricCard.js";
import { NotKept } from "../device/NotKept.js";
import { api, poll } from "../lib/api.js";
import { readable } from "../lib/format.js";
import { openView, type Live } from "../lib/live.js";
import { route } from "../lib/router.js";
import { learnUnits, shownAs, styleOf, type Unit } from "../lib/units.js";
import { Changes } from "../parts/Changes.js";
import { Commands } from "../parts/Commands.js";
import { Periods } from "../parts/Periods.js";

/** They change with a restart of the server only. */
const RULES_EVERY_MS = 60_000;
const TREND_PIXELS = 240;

export default function Device(props: { id: string }) {
  const live = openView<"device">({ kind: "device", device: props.id });
  const device = createMemo<DeviceRow | undefined>(() => {
    const row = [...(live.table()?.rows.values() ?? [])][0];
    return row && { ...row };
  });
  const names = createMemo(
    () =>
      device()
        ?.metrics.map((metric) => metric.name)
        .join("\n") ?? "",
  );
  return (
    <Show when={device()} fallback={<Missing id={props.id} isMissing={(live.table()?.missing.length ?? 0) > 0} why={live.refused()} />}>
      {(one) => (
        <>
          <Heading device={one()} />
          <Show when={one().id} keyed>
            {(id) => <NotKept device={id} />}
          </Show>
          <Show when={names()} keyed fallback={<p class="sub">No value yet.</p>}>
            <Body device={one} />
          </Show>
          <Show when={one().id} keyed>
            {(id) => <Commands device={id} />}
          </Show>
        </>
      )}
    </Show>
  );
}

function Missing(props: { id: string; isMissing: boolean; why: string | null }) {
  return (
    <Show when={props.isMissing || props.why} fallback={<div class="skeleton tall" role="progressbar" aria-label="Loading" />}>
      <div class="empty">
        <h2>{props.why ?? `No device is called ${readable(props.id)}.`}</h2>
        <p>
          It appears here by itself when it is first heard of. Or find another with <kbd>/</kbd>.
        </p>
      </div>
    </Show>
  );
}

/** Built anew when the device gets another metric: its charts subscribe by metric. */
function Body(props: { device: () => DeviceRow }) {
  const metrics = props.device().metrics;
  const series = metrics.map((metric) => ({ device: props.device().id, metric: metric.name }));
  const trends = chunks(series, SERIES_MAX).map((part) =>
    openView<"series">({ kind: "series", series: part, last: TREND_MS, width: TREND_PIXELS }),
  );
  const trendOf = (index: number): Columns => columnsOf(trends[Math.floor(index / SERIES_MAX)] as Live<"series">, index % SERIES_MAX);
  const ofDevice = openView<"alerts">({ kind: "alerts", device: props.device().id });
  const alerts = (): Alert[] => [...(ofDevice.table()?.alerts.values() ?? [])];
  /** The metric that was asked for, else the one that is in alert, else the first. */
  const chosen = createMemo(() => {
    const troubled = alerts().find((alert) => alert.state !== "cleared" && alert.metric !== null)?.metric;
    const place = (name: string | null | undefined): number => metrics.findIndex((metric) => metric.name === name);
    return [place(route().query.get("metric")), place(troubled)].find((index) => index >= 0) ?? 0;
  });
  /** What the chosen metric says: numbers and switches have a chart, words a list. */
  const kind = createMemo(() => typeof props.device().cells[chosen()]?.value);
  const styleNow = (): Unit => {
    const metric = props.device().metrics[chosen()];
    return metric ? styleOf(metric) : { unit: null, decimals: null };
  };
  /** How the chosen metric shows: it changes with what its values are, not with each value, for its chart is built by it. */
  const style = createMemo<Unit>(
    () => shownAs(metrics[chosen()]?.name ?? "", props.device().cells[chosen()]?.value, styleNow()),
    { unit: null, decimals: null },
    { equals: (a, b) => a.unit === b.unit && a.decimals === b.decimals && a.guessed === b.guessed && `${a.words}` === `${b.words}` },
  );
  /** What is known of the chosen metric: as its style, it does not change with each value. */
  const about = createMemo(() => props.device().metrics[chosen()]?.about ?? null);
  // The charts do not wait for it: one without its rules' lines is better than none.
  const rules = poll(() => api.rules(props.device().id), RULES_EVERY_MS);
  learnUnits(metrics.map((metric) => ({ name: metric.name, ...styleOf(metric) })));
  return (
    <>
      <div class="metrics">
        <For each={metrics}>
          {(metric, i) => (
            <MetricCard
              metric={props.device().metrics[i()] ?? metric}
              cell={props.device().cells[i()] ?? null}
              columns={trendOf(i())}
              isOn={chosen() === i()}
            />
          )}
        </For>
      </div>
      <div class="split">
        <Show when={metrics[chosen()]} keyed>
          {(metric) => (
            <Show
              when={kind() === "string"}
              fallback={
                <div class="stack">
                  <History
                    isSwitch={kind() === "boolean"}
                    device={props.device().id}
                    metric={{
                      ...metric,
                      unit: style().unit,
                      decimals: style().decimals,
                      guessed: style().guessed === true,
                      about: about(),
                    }}
                    rules={rules.value()?.rules ?? []}
                    alerts={alerts().filter((alert) => alert.metric === null || alert.metric === metric.name)}
                  />
                  <Show when={kind() === "boolean"}>
                    <Periods
                      device={props.device().id}
                      metric={metric.name}
                      isOn={props.device().cells[chosen()]?.value === true}
                      words={style().words}
                    />
                  </Show>
                </div>
              }
            >
              <Changes device={props.device().id} metric={metric.name} cell={props.device().cells[chosen()] ?? null} />
            </Show>
          )}
        </Show>
        <Facts device={props.device()} alerts={alerts()} />
      </div>
    </>
  );
}
