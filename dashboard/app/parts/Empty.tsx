import { createSignal } from "solid-js";
import { api, poll } from "../lib/api.js";
import { publishCommand } from "../lib/publish.js";

/** Listeners change with a restart only. */
const WAYS_EVERY_MS = 30_000;
const FIRST = `-t site/a/floor1/dev1 -q 1 -m '{"temperature":21.5,"humidity":45.2}'`;

/** What a new installation shows. */
export function NoDevice() {
  return (
    <div class="empty">
      <h2>No device yet. Publish one:</h2>
      <Publish rest={FIRST}>
        Any MQTT client will do. The device appears here by itself; the topic's levels above its name are its group.
      </Publish>
    </div>
  );
}

/** The command that publishes, with the server's own listener in it, and words about it. */
export function Publish(props: { rest: string; children: string }) {
  const stats = poll(api.stats, WAYS_EVERY_MS);
  const command = () => publishCommand(stats.value()?.mqtt ?? null, location.hostname, props.rest);
  return (
    <>
      <Copyable line={command().line} />
      <p>
        {props.children} {command().hint}
      </p>
    </>
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
  return (
    <div class="command">
      <code>{props.line}</code>
      <button class="button" type="button" onClick={copy}>
        {copied() ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
