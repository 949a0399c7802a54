// The lines of a chart: the views behind them and what they show.
import { createEffect, createMemo, on, type Accessor } from "solid-js";
import type { SeriesName } from "../../client/index.js";
import { now, openView, type Live } from "../lib/live.js";
import type { Line } from "./Chart.js";
import { EMPTY, toColumns, type Columns } from "./data.js";
import type { Role } from "./ink.js";
import { sameRange, stretchBefore, stretchOf, weekBefore, type Range } from "./windows.js";

/** Series of one subscription (docs/protocol.md). */
export const SERIES_MAX = 32;

export function columnsOf(live: Live<"series">, index: number, shift_ms = 0): Columns {
  const table = live.table();
  return table ? toColumns(table.lines[index] ?? [], table.rung_ms, shift_ms) : EMPTY;
}

interface Asked {
  series: Accessor<readonly SeriesName[]>;
  /** How the first of them is numbered. */
  first: number;
  role: Role;
  range: Accessor<Range>;
  /** Of the chart, CSS pixels. */
  width: Accessor<number>;
}

export interface Lines {
  lines: Accessor<Line[]>;
  /** The view behind them; `null` where nothing is asked for. */
  live: Accessor<Live<"series"> | null>;
}

/** Lines of some series; opened anew when there are others, moved when the stretch or the width is another. */
export function createLines({ series, first, role, range, width }: Asked): Lines {
  const names = createMemo(() => JSON.stringify(series()));
  /** What the server is asked for. */
  const asked = createMemo<Range>(() => (role === "before" ? stretchBefore(range(), now()) : range()), { last: 0 }, { equals: sameRange });
  const live = createMemo(
    on(names, (): Live<"series"> | null =>
      series().length === 0 ? null : openView<"series">({ kind: "series", series: [...series()], ...asked(), width: width() }),
    ),
  );
  createEffect(on([asked, width], () => live()?.view.update({ ...asked(), width: width() }), { defer: true }));
  const lines = createMemo(() => {
    const shown = live();
    if (!shown) return [];
    const { from, to } = stretchOf(range(), now());
    // A window that follows the clock would else grow for ever.
    if (role !== "before" && "last" in range()) shown.table()?.trim(from);
    const shift = role === "before" ? weekBefore(to) : 0;
    return series().map((_, index) => ({ columns: columnsOf(shown, index, shift), number: first + index, role }));
  });
  return { lines, live };
}
