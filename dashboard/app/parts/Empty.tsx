import { createSignal } from "solid-js";

const LINE = `mosquitto_pub -h ${location.hostname} -t site/a/floor1/dev1 -q 1 -m '{"temperature":21.5,"humidity":45.2}'`;

/** What a new installation shows. */
export function NoDevice() {
  return (
    <div class="empty">
      <h2>No device yet. Publish one:</h2>
      <Copyable line={LINE} />
      <p>Any MQTT client will do. The device appears here by itself; the topic's levels above its name are its group.</p>
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
