import { For, onCleanup, onMount, Show } from "solid-js";
import { exactValue, formatExact, formatTime, formatValue, groupWords, metricLabel, readable, shortName } from "../lib/format.js";
import { now, openView } from "../lib/live.js";
import { href } from "../lib/router.js";
import { shownAs } from "../lib/units.js";
import { Glyph, STATE_WORDS } from "./Glyph.js";

/** A device beside the fleet: what it says now. */
export function SidePanel(props: { id: string; onClose: () => void }) {
  const live = openView<"device">({ kind: "device", device: props.id });
  const device = () => [...(live.table()?.rows.values() ?? [])].map((row) => ({ ...row }))[0];
  const onKey = (event: KeyboardEvent): void => void (event.key === "Escape" && props.onClose());
  onMount(() => document.addEventListener("keydown", onKey));
  onCleanup(() => document.removeEventListener("keydown", onKey));
  return (
    <aside class="panel" aria-label={`Device ${shortName(props.id)}`}>
      <div class="head"><h1 class="clip" title={readable(props.id)}>{shortName(props.id)}</h1><button class="quiet" type="button" onClick={() => props.onClose()}>Close</button></div>
      <Show when={device()} fallback={<div class="skeleton lines" />}>
        {(one) => (
          <>
            <p class="sub with-glyph"><Glyph state={one().state} alert={one().alert !== null} />{STATE_WORDS[one().state]}{one().alert ? `, ${one().alert} alert` : ""}</p>
            <p class="sub">{groupWords(one().group)}</p>
            <dl class="dl">
              <For each={one().metrics}>
                {(metric, column) => {
                  const cell = () => one().cells[column()];
                  const style = () => shownAs(metric.name, cell()?.value, metric);
                  return <><dt>{metricLabel(metric.name)}</dt><dd class="breaks" title={`${exactValue(cell()?.value, style().unit)}\n${formatExact(cell()?.time)}`}>{formatValue(cell()?.value, style().decimals)} <small>{style().unit}</small></dd></>;
                }}
              </For>
              <dt>Last reading</dt><dd title={formatExact(one().time)}>{formatTime(one().time, now())}</dd>
            </dl>
            <a class="button primary" href={href("device", one().id)}>Open device</a>
          </>
        )}
      </Show>
    </aside>
  );
}
