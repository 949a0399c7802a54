import { createEffect, For, on, Show } from "solid-js";
import { poll } from "../lib/api.js";
import { clients, reasonWords } from "../lib/clients.js";
import { formatClock, formatExact, formatNumber, formatSpan, plural, readable } from "../lib/format.js";
import { now } from "../lib/live.js";

const SHOWN = 100;

/** Who did not get in, from where, and what was wrong: nothing is shown while there is nobody. */
export function Refusals(props: { q: string }) {
  const answer = poll(() => clients.refusals(props.q, SHOWN), 5000);
  createEffect(
    on(
      () => props.q,
      () => answer.refresh(),
      { defer: true },
    ),
  );
  const lines = () => answer.value()?.refusals ?? [];
  return (
    <Show when={lines().length > 0}>
      <section class="section refused" aria-label="Refused">
        <h2>
          Refused{" "}
          <span class="sub">
            by address and reason, newest first
            <Show when={(answer.value()?.forgotten ?? 0) > 0}>
              ; {plural(answer.value()?.forgotten ?? 0, "older line")} gone for want of room
            </Show>
          </span>
        </h2>
        <table class="list refusals">
          <thead>
            <tr>
              <th>From</th>
              <th>What was wrong</th>
              <th>Client</th>
              <th class="right">Count</th>
              <th class="right">Last</th>
            </tr>
          </thead>
          <tbody>
            <For each={lines()}>
              {(line) => (
                <tr>
                  <td class="from">
                    {line.address ?? "this machine"}
                    <div class="sub">{line.transport}</div>
                  </td>
                  <td class="what">
                    <b>{reasonWords(line.reason)}</b>
                    <div class="sub">{line.detail}</div>
                  </td>
                  <td class="who">
                    <Show when={line.client}>{(id) => <span class="clip">{readable(id())}</span>}</Show>
                  </td>
                  <td class="right times">{formatNumber(line.count)}</td>
                  <td class="right since" title={`First ${formatExact(line.first)}, last ${formatExact(line.time)}`}>
                    {formatClock(line.time, now())}
                    <div class="sub">{formatSpan(now() - line.time)}</div>
                  </td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </section>
    </Show>
  );
}
