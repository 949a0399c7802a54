import { Show } from "solid-js";
import { api, poll } from "../lib/api.js";

/** Whether what a device sends comes into history changes with its clock. */
const KEPT_EVERY_MS = 30_000;

/** That its readings are too old for history, where they are. */
export function NotKept(props: { device: string }) {
  const answer = poll(() => api.device(props.device), KEPT_EVERY_MS);
  return <Show when={answer.value()?.not_kept}>{(why) => <p class="wrong not-kept">Not in history: {why()}.</p>}</Show>;
}
