import { For, Show } from "solid-js";
import { api, poll } from "../lib/api.js";
import { formatExact, formatNumber, formatTime, metricLabel, plural, readable } from "../lib/format.js";
import { now } from "../lib/live.js";
import { route, setQuery } from "../lib/router.js";
import { Failure } from "../parts/Failure.js";
import { TryPayload } from "../parts/TryPayload.js";

/** What was published and could not be understood, and what to do. */
export function Problems() {
  const answer = poll(api.problems, 5000);
  const problems = () => answer.value()?.problems ?? [];
  const asked = (name: string): string => route().query.get(name) ?? "";
  const tryOut = (topic: string, payload: string): void => {
    setQuery({ topic, payload }, "steps");
    document.querySelector(".try")?.scrollIntoView();
  };
  return (
    <>
      <div class="head">
        <h1>Problems</h1>
        <span class="sub">
          Messages that could not be understood, kept so that nothing disappears
          <Show when={(answer.value()?.dropped ?? 0) > 0}>; {plural(answer.value()?.dropped ?? 0, "older one")} gone for want of room</Show>
        </span>
      </div>
      <Failure why={answer.error()} />
      <Show
        when={answer.value()}
        fallback={
          <Show when={!answer.error()}>
            <div class="skeleton tall" role="progressbar" aria-label="Loading" />
          </Show>
        }
      >
        <Show
          when={problems().length > 0}
          fallback={
            <div class="empty">
              <h2>No problem. Every message was understood.</h2>
            </div>
          }
        >
          <table class="list problems">
            <thead>
              <tr>
                <th>Reason</th>
                <th>Topic and client</th>
                <th>First bytes</th>
                <th class="right">Count</th>
                <th class="right">Last</th>
              </tr>
            </thead>
            <tbody>
              <For each={problems()}>
                {(problem) => (
                  <tr data-row tabindex="0">
                    <td class="what">
                      <b>{metricLabel(problem.reason)}</b>
                      <div class="sub">{problem.detail}</div>
                    </td>
                    <td class="device">
                      <code>{readable(problem.topic) || "no topic"}</code>
                      <div class="sub">
                        <a href={`/clients?q=${encodeURIComponent(problem.client)}`}>{readable(problem.client)}</a>
                      </div>
                    </td>
                    <td class="sample">
                      <code title={problem.sample_hex}>{problem.sample || "empty"}</code>
                      <Show when={problem.topic !== "" && problem.sample !== ""}>
                        <button class="link" type="button" onClick={() => tryOut(problem.topic, problem.sample)}>
                          Try it<span class="unseen"> with {readable(problem.topic)}</span>
                        </button>
                      </Show>
                    </td>
                    <td class="right value">{formatNumber(problem.count)}</td>
                    <td class="right since" title={`First ${formatExact(problem.first)}, last ${formatExact(problem.last)}`}>
                      {formatTime(problem.last, now())}
                    </td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </Show>
      </Show>
      <TryPayload topic={asked("topic")} payload={asked("payload")} />
    </>
  );
}
