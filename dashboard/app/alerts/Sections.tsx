import { createMemo, createSignal, For, Show } from "solid-js";
import type { Line } from "../lib/alerts.js";
import { formatNumber, groupWords, plural, readable } from "../lib/format.js";
import { route, setQuery } from "../lib/router.js";
import { Unseen } from "../parts/Unseen.js";
import { sectionsOf, type By, type Section } from "./grouping.js";
import { LineRow } from "./rows.js";

/** Lines of a section that are there at once. */
const PAGE = 20;

/** The heads of a table of alerts. */
export function Heads(props: { value: string; time: string }) {
  return (
    <thead>
      <tr>
        <Unseen words="Severity" />
        <th>Alert</th>
        <th>Device</th>
        <th>Where</th>
        <th class="right">{props.value}</th>
        <th class="right">{props.time}</th>
        <Unseen words="Acknowledgement" />
      </tr>
    </thead>
  );
}

/** Alerts that hold, in sections that open and close. */
export function Sections(props: { lines: Line[] }) {
  const by = (): By => (route().query.get("by") === "group" ? "group" : "rule");
  const sections = createMemo(() => new Map(sectionsOf(props.lines, by()).map((section) => [section.key, section])));
  const keys = createMemo<string[]>(() => [...sections().keys()], [], { equals: (a, b) => a.join() === b.join() });
  return (
    <>
      <div class="segments by" role="group" aria-label="In sections by">
        <For each={["rule", "group"] as const}>
          {(one) => (
            <button
              type="button"
              classList={{ on: by() === one }}
              aria-pressed={by() === one}
              onClick={() => setQuery({ by: one === "rule" ? null : one })}
            >
              By {one}
            </button>
          )}
        </For>
      </div>
      <table class="list alerts">
        <Heads value="When raised, peak" time="Since, for" />
        <For each={keys()}>
          {(key) => <Show when={sections().get(key)}>{(section) => <SectionBody section={section()} by={by()} />}</Show>}
        </For>
      </table>
    </>
  );
}

function SectionBody(props: { section: Section; by: By }) {
  const section = () => props.section;
  const [isOpen, setOpen] = createSignal(true);
  const [limit, setLimit] = createSignal(PAGE);
  const lines = createMemo(
    () =>
      new Map(
        section()
          .lines.slice(0, limit())
          .map((line) => [line.id, line]),
      ),
  );
  const ids = createMemo<string[]>(() => [...lines().keys()], [], { equals: (a, b) => a.join() === b.join() });
  const name = (): string =>
    section().name === null
      ? "Several groups"
      : props.by === "rule"
        ? readable(section().name as string)
        : groupWords(section().name as string);
  return (
    <tbody class="of">
      <tr class="kind">
        <th colspan="7" scope="rowgroup">
          <button type="button" aria-expanded={isOpen()} onClick={() => setOpen(!isOpen())}>
            <span class="turn" aria-hidden="true">
              {isOpen() ? "▾" : "▸"}
            </span>
            <span class={`mark ${section().severity}`}>
              <i />
              {section().severity}
            </span>
            <b>{name()}</b>
            <span class="sub">
              {plural(section().count, "alert")}
              <Show when={section().acknowledged > 0}>, {formatNumber(section().acknowledged)} acknowledged</Show>
            </span>
          </button>
        </th>
      </tr>
      <Show when={isOpen()}>
        <For each={ids()}>{(id) => <Show when={lines().get(id)}>{(line) => <LineRow line={line()} />}</Show>}</For>
        <Show when={section().lines.length > limit()}>
          <tr class="more">
            <td colspan="7">
              <button class="button" type="button" onClick={() => setLimit(limit() * 5)}>
                Show more of {formatNumber(section().lines.length)}
              </button>
            </td>
          </tr>
        </Show>
      </Show>
    </tbody>
  );
}
