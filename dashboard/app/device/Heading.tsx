import { createSignal, Show } from "solid-js";
import type { Device } from "../../client/index.js";
import { TimeTools } from "../chart/TimeTools.js";
import { deviceName, formatExact, groupWords, readable } from "../lib/format.js";
import { href } from "../lib/router.js";
import { Glyph, STATE_WORDS } from "../parts/Glyph.js";
import { Edit } from "./Edit.js";

/** Which device, how it is, and what time is looked at. */
export function Heading(props: { device: Device }) {
  const [isEditing, setEditing] = createSignal(false);
  return (
    <div class="head">
      <h1 title={readable(props.device.id)}>{deviceName({ id: props.device.id, name: props.device.about?.name })}</h1>
      <span class="chip" title={`Since ${formatExact(props.device.since)}`}>
        <Glyph state={props.device.state} alert={props.device.alert !== null} />
        {STATE_WORDS[props.device.state]}
        {props.device.alert ? `, ${props.device.alert} alert` : ""}
      </span>
      <Show when={props.device.about?.hidden}>
        <span class="chip">hidden</span>
      </Show>
      <a class="sub" href={href("fleet", props.device.group)}>
        {groupWords(props.device.group)}
      </a>
      <button class="button" type="button" aria-haspopup="dialog" onClick={() => setEditing(true)}>
        Edit
      </button>
      <Show when={isEditing()}>
        <Edit device={props.device} onClose={() => setEditing(false)} />
      </Show>
      <div class="tools times">
        <TimeTools />
      </div>
    </div>
  );
}
