import { createSignal } from "solid-js";

/** Where MQTT is spoken unless the configuration says otherwise: the page was served by another port. */
export const MQTT_SERVER = `-h ${location.hostname} -p 1883`;

/** What to do where it is said otherwise. */
export const PORT_WORDS = "Port 1883 is the default; the program names its own in the line that says it is ready.";

const LINE = `mosquitto_pub ${MQTT_SERVER} -t site/a/floor1/dev1 -q 1 -m '{"temperature":21.5,"humidity":45.2}'`;

/** What a new installation shows. */
export function NoDevice() {
  return (
    <div class="empty">
      <h2>No device yet. Publish one:</h2>
      <Copyable line={LINE} />
      <p>Any MQTT client will do. The device appears here by itself; the topic's levels above its name are its group. {PORT_WORDS}</p>
    </div>
  );
}

/** A line to run, with a button that copies it. */
export function Copyable(props: { line: string }) {
  const [copied, setCopied] = createSignal(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(props.line).catch(() => undefined);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return <div class="command"><code>{props.line}</code><button class="button" type="button" onClick={copy}>{copied() ? "Copied" : "Copy"}</button></div>;
}
