import type { Device } from "../../client/index.js";
import { TimeTools } from "../chart/TimeTools.js";
import { deviceName, formatExact, groupWords, readable } from "../lib/format.js";
import { href } from "../lib/router.js";
import { Glyph, STATE_WORDS } from "../parts/Glyph.js";

/** Which device, how it is, and what time is looked at. */
export function Heading(props: { device: Device }) {
  return (
    <div class="head">
      <h1 title={readable(props.device.id)}>{deviceName({ id: props.device.id, name: props.device.about?.name })}</h1>
      <span class="chip" title={`Since ${formatExact(props.device.since)}`}>
        <Glyph state={props.device.state} alert={props.device.alert !== null} />
        {STATE_WORDS[props.device.state]}
        {props.device.alert ? `, ${props.device.alert} alert` : ""}
      </span>
      <a class="sub" href={href("fleet", props.device.group)}>
        {groupWords(props.device.group)}
      </a>
      <div class="tools times">
        <TimeTools />
      </div>
    </div>
  );
}
