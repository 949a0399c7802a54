import { createEffect, For, Match, Show, Switch } from "solid-js";
import { api, poll } from "../lib/api.js";
import { groupWords } from "../lib/format.js";
import { alertTitle, blindText, clearsText, ruleText } from "../lib/rules.js";
import { findUnit, unitOf } from "../lib/units.js";
import { Unseen } from "../parts/Unseen.js";

/** How many of their alerts hold changes. */
export const RULES_EVERY_MS = 5_000;

/** What raises alerts: the configuration, in words. */
export function Rules() {
  const answer = poll(() => api.rules(), RULES_EVERY_MS);
  createEffect(() => {
    for (const rule of answer.value()?.rules ?? []) if (rule.metric !== null) void findUnit(rule.metric, "");
  });
  return (
    <Switch fallback={<div class="skeleton tall" role="progressbar" aria-label="Loading" />}>
      <Match when={answer.value()?.rules.length === 0}>
        <div class="empty">
          <h2>No rule is set.</h2>
          <p>
            Rules are in the configuration under <code>[[alert]]</code>: a threshold, or silence, for some devices or all.
          </p>
        </div>
      </Match>
      <Match when={answer.value()?.rules}>
        {(rules) => (
          <table class="list alerts rules">
            <thead>
              <tr>
                <Unseen words="Severity" />
                <th>Rule</th>
                <th>Devices</th>
                <th>Where</th>
                <th class="right">Active now</th>
              </tr>
            </thead>
            <tbody>
              <For each={rules()}>
                {(rule) => (
                  <tr data-row tabindex="0">
                    <td class="severity">
                      <i class={rule.severity} title={rule.severity} />
                    </td>
                    <td class="what">
                      {alertTitle({ metric: rule.metric, text: ruleText(rule, unitOf(rule.metric)) })}{" "}
                      <span class="sub severity-word">
                        <Show when={clearsText(rule, unitOf(rule.metric))}>{(words) => <>· {words()} </>}</Show>· {rule.severity} ·{" "}
                        {rule.name}
                      </span>
                      <Show when={blindText(rule)}>{(words) => <span class="wrong blind">{words()}</span>}</Show>
                    </td>
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
      <Match when={answer.error()}>
        {(why) => (
          <p class="wrong" role="alert">
            {why()}
          </p>
        )}
      </Match>
    </Switch>
  );
}
