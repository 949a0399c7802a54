import { For, Show } from "solid-js";
import { api, poll } from "../lib/api.js";
import { formatBytes, formatDuration, formatExact, formatNumber, formatSpan, metricLabel } from "../lib/format.js";
import { client, now, status } from "../lib/live.js";
import { gapWords } from "../parts/Pill.js";
import { Failure } from "../parts/Failure.js";

const WORDS: Record<string, string> = {
  mqtt: "MQTT",
  refused: "Refused, by reason",
  publications_per_second: "Publications a second",
  applied_per_second: "Applied a second",
  memory_bytes: "Memory",
  file_bytes: "Files",
  written_bytes: "Written since the start",
  flushed: "In files up to entry",
  erasing: "Series still to be erased",
  retention: "How long history lasts",
  raw_oldest: "Oldest reading in a day's file",
  raw_bytes: "Readings",
  raw_day_bytes: "Readings, a day lately",
  raw_kept_days: "Readings are kept for",
  hours_oldest: "Oldest summary of an hour",
  hours_bytes: "Summaries of hours",
  hours_day_bytes: "Summaries, a day lately",
  hours_kept_days: "Summaries are kept for",
  most_bytes: "All files at most",
  free_bytes: "Room left on the disk",
  disk_lasts_days: "The disk is full in",
  ends_by: "At this rate",
  first: "Oldest entry",
  oldest: "Oldest raw value",
  kept_from: "History begins at",
  appended: "Entries appended",
  durable: "Entries on disk",
  applied: "Applied",
  written: "Written up to entry",
  behind_entries: "Behind, entries",
  behind_ms: "Behind for",
  confirmed: "Confirmed by time that passed",
  ahead_ms: "Ahead of the time that readings get",
  followed_in_ms: "Followed in",
  values_ahead: "Values stamped later than now",
  ages_behind_ms: "History kept longer by",
};

type Figures = Record<string, unknown>;

/** The program's own state: what came in, where it stands, who watches. */
export function Status() {
  const stats = poll(api.stats, 2000);
  const figures = () => Object.entries<unknown>(stats.value() ?? {});
  const plain = () => figures().filter(([, value]) => typeof value !== "object" || value === null);
  const nested = () =>
    figures().filter((entry): entry is [string, Figures] => typeof entry[1] === "object" && entry[1] !== null && !Array.isArray(entry[1]));
  const sinks = () => stats.value()?.sinks ?? [];
  return (
    <>
      <div class="head">
        <h1>Status</h1>
        <span class="sub">Every message is counted somewhere below</span>
      </div>
      <Failure why={stats.error()} />
      <div class="columns">
        <section>
          <h2>This page</h2>
          <dl class="dl">
            <dt>Connection</dt>
            <dd>{metricLabel(status().phase)}</dd>
            <dt>Way from the server</dt>
            <dd>
              {formatNumber(status().way_ms, 1)} <small>ms</small>
            </dd>
            <dt>Way from the devices</dt>
            <dd title="Median of the last updates, by the devices' clocks">
              {formatNumber(status().device_way_ms, 0)} <Show when={status().device_way_ms !== null}>{<small>ms</small>}</Show>
            </dd>
            <dt>Coming in</dt>
            <dd>{formatBytes(status().bytes_per_second)}/s</dd>
            <dt>This clock against the server's</dt>
            <dd>
              {formatNumber((Date.now() - (now(), client.serverNow())) / 1000, 1)} <small>s</small>
            </dd>
            <Show when={gapWords()}>
              {(words) => (
                <>
                  <dt>Interrupted</dt>
                  <dd>{words()}</dd>
                </>
              )}
            </Show>
          </dl>
        </section>
        <Show when={stats.value()} fallback={<div class="skeleton lines" />}>
          <section>
            <h2>Program</h2>
            <List entries={plain()} />
          </section>
          <For each={nested()}>
            {([name, figures]) => (
              <section>
                <h2>{WORDS[name] ?? metricLabel(name)}</h2>
                <List entries={Object.entries(figures)} />
              </section>
            )}
          </For>
          <For each={sinks()}>
            {(sink) => (
              <section>
                <h2>To {sink.name}</h2>
                <List entries={Object.entries(sink).filter(([name]) => name !== "name")} />
              </section>
            )}
          </For>
        </Show>
      </div>
    </>
  );
}

function List(props: { entries: [string, unknown][] }) {
  return (
    <dl class="dl">
      <For each={props.entries} fallback={<dt>None</dt>}>
        {([name, value]) => (
          <>
            <dt>{WORDS[name] ?? metricLabel(name)}</dt>
            <dd title={isTime(name) ? formatExact(value as number) : ""}>{words(name, value)}</dd>
          </>
        )}
      </For>
    </dl>
  );
}

const AGO = ["started", "oldest", "kept_from", "raw_oldest", "hours_oldest"];
const isTime = (name: string): boolean => name === "time" || AGO.includes(name);

/** What ends history, as the server says it. */
const ENDS: Record<string, string> = {
  age: "retention comes first, by age",
  bytes: "retention comes first, by bytes",
  disk: "the disk is full first",
};

function words(name: string, value: unknown): string {
  if (Array.isArray(value))
    return (
      value
        .map((one: { transport?: string; address?: string }) => (typeof one === "object" ? `${one.transport} ${one.address}` : one))
        .join(", ") || "none"
    );
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (name === "hours_kept_days" && value === null) return "ever";
  if (name === "ends_by") return ENDS[String(value)] ?? "not known before a day is whole";
  if (typeof value !== "number") return value === null ? "–" : String(value);
  if (AGO.includes(name)) return `${formatSpan(now() - value)} ago`;
  if (name.endsWith("_days")) return value === 1 ? "1 day" : `${formatNumber(value, 0)} days`;
  if (name.endsWith("_ms")) return value < 0 ? `−${formatDuration(-value)}` : formatDuration(value);
  if (name === "time") return formatExact(value);
  if (name === "bytes" || name.endsWith("_bytes")) return formatBytes(value);
  return formatNumber(value, Number.isInteger(value) ? 0 : 1);
}
