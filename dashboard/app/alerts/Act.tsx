import { createSignal, Show } from "solid-js";
import type { Alert } from "../../client/index.js";
import { acknowledge, failures, pending, unacknowledge } from "../lib/alerts.js";
import { formatClock, formatExact, readable, shortName } from "../lib/format.js";
import { now } from "../lib/live.js";

/** The buttons, or what became of it. Nothing is called acknowledged before the server's log says so. */
export function Act(props: { alert: Alert }) {
  const taken = () => props.alert.acknowledged;
  const [comment, setComment] = createSignal<string | null>(null);
  const isAsked = (): boolean => pending().has(props.alert.id);
  const failure = () => failures().get(props.alert.id);
  const words = (): string => (isAsked() ? "Asked…" : failure() ? "Try again" : "Acknowledge");
  const send = (): void => {
    void acknowledge(props.alert, comment() ?? "");
    setComment(null);
  };
  return (
    <>
      <Show when={failure()}>
        {(why) => (
          <span class="wrong" role="alert">
            {props.alert.state === "raised" ? "Not acknowledged." : "Not undone."} {why()}{" "}
          </span>
        )}
      </Show>
      <Show when={props.alert.state === "raised"} fallback={<Taken alert={props.alert} isAsked={isAsked()} />}>
        <Show when={props.alert.unacknowledged}>
          {(back) => (
            <span class="sub" title={formatExact(back().time)}>
              given back by {readable(back().by)}{" "}
            </span>
          )}
        </Show>
        <Show
          when={comment() !== null}
          fallback={
            <>
              <button
                class="button primary"
                type="button"
                data-acknowledge
                aria-label={`${words()}: ${shortName(props.alert.device)}`}
                disabled={isAsked()}
                onClick={send}
              >
                {words()}
              </button>{" "}
              <button
                class="button"
                type="button"
                title="Acknowledge with a comment"
                aria-label={`Acknowledge with a comment: ${shortName(props.alert.device)}`}
                disabled={isAsked()}
                onClick={() => setComment("")}
              >
                …
              </button>
            </>
          }
        >
          <form
            class="comment"
            onSubmit={(event) => {
              event.preventDefault();
              send();
            }}
          >
            <input
              class="filter"
              aria-label="Comment"
              placeholder="Comment"
              maxlength="500"
              autofocus
              value={comment() ?? ""}
              onInput={(event) => setComment(event.currentTarget.value)}
              onKeyDown={(event) => event.key === "Escape" && setComment(null)}
            />
            <button class="button primary" type="submit">
              Acknowledge
            </button>
          </form>
        </Show>
      </Show>
      <Show when={taken()?.comment}>{(words) => <span class="sub breaks comment-words">{readable(words())}</span>}</Show>
    </>
  );
}

/** Who took it on, and a way back while it holds. */
function Taken(props: { alert: Alert; isAsked: boolean }) {
  const taken = () => props.alert.acknowledged;
  return (
    <>
      <span class="sub" title={formatExact(taken()?.time)}>
        {taken() ? `${readable(taken()?.by ?? "")}, ${formatClock(taken()?.time, now())}` : "cleared by itself"}
      </span>
      <Show when={props.alert.state === "acknowledged"}>
        {" "}
        <button
          class="button"
          type="button"
          title="Nobody has taken it on then"
          disabled={props.isAsked}
          onClick={() => void unacknowledge(props.alert)}
        >
          {props.isAsked ? "Asked…" : "Undo"}
        </button>
      </Show>
    </>
  );
}
