// What the address says of the fleet's page: which group, metric and devices, as cells or as a table.
import { createEffect, createMemo, on, type Accessor } from "solid-js";
import type { Aggregate } from "../../client/index.js";
import { directCount, groupPaths, groupTable, isBelow, ownInAlertOf, ownStatesOf } from "../lib/groups.js";
import { inAlertTotal } from "../lib/inAlert.js";
import { route } from "../lib/router.js";
import { findNames, findUnit, namesOf, offered } from "../lib/units.js";
import { STATES } from "../parts/Glyph.js";
import type { Only } from "./matches.js";

export interface Choice {
  group: Accessor<string>;
  /** With figures first, those of most devices in front; then what else the devices say: switches and words. */
  metrics: Accessor<string[]>;
  /** The chosen metric; `undefined` shows states alone. */
  metric: Accessor<string | undefined>;
  only: Accessor<Only | null>;
  /** Part of a name. */
  filter: Accessor<string>;
  isTable: Accessor<boolean>;
  /** Groups with a device that is meant, in natural order. */
  rows: Accessor<string[]>;
}

const sameList = { equals: (a: string[], b: string[]) => a.join("\n") === b.join("\n") };

export function createChoice(): Choice {
  // Memos: the colours start anew with another group, not with each change of the address.
  const group = createMemo<string>(() => route().name);
  const only = createMemo<Only | null>(() => [...STATES, "alert" as const].find((one) => one === route().query.get("state")) ?? null);
  const metrics = createMemo<string[]>(
    () => offered([...(groupTable()?.aggregates.get(group()) ?? new Map<string, Aggregate>())], namesOf(group())),
    [],
    sameList,
  );
  const metric = createMemo(() => {
    const asked = route().query.get("metric");
    if (asked === "state") return undefined;
    return asked || (metrics().find((name) => name === "temperature") ?? metrics()[0]);
  });
  const filter = createMemo<string>(() => route().query.get("q") ?? "");
  createEffect(
    on([metric, group], ([name, path]) => {
      void findNames(path);
      if (name) void findUnit(name, path);
    }),
  );
  const isMeant = (path: string): boolean => {
    const wanted = only();
    if (wanted === null) return true;
    return wanted === "alert" ? inAlertTotal(ownInAlertOf(path)) > 0 : ownStatesOf(path)[wanted] > 0;
  };
  const rows = createMemo<string[]>(
    () => groupPaths().filter((path) => isBelow(path, group()) && directCount(path) > 0 && isMeant(path)),
    [],
    sameList,
  );
  return { group, metrics, metric, only, filter, isTable: () => route().query.get("show") === "table", rows };
}
