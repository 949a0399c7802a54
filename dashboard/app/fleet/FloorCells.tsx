import { createEffect, createSignal, on, onCleanup, onMount } from "solid-js";
import type { Aggregate, FleetCell } from "../../client/index.js";
import { onFrame } from "../lib/frame.js";
import { compareNames, figuresOf, groupPaths, homeOf } from "../lib/groups.js";
import { openView } from "../lib/live.js";
import { palette } from "../lib/theme.js";
import { paintCell, type Look } from "./paint.js";

export interface Focus {
  cell: FleetCell;
  /** It was gone to, not pointed at. */
  isEntered: boolean;
  /** Where the cell is in the window. */
  left: number;
  top: number;
  size: number;
}

interface Props {
  group: string;
  metric: string | undefined;
  look: () => Look;
  label: string;
  /** The Tab key stops at one group's cells; arrows go on to the others. */
  isEntry: boolean;
  /** The device to bring into sight; `null` where it is another group's. */
  goal: string | null;
  onFocus: (focus: Focus | null) => void;
  onOpen: (cell: FleetCell) => void;
  onValues: (group: string, values: number[] | null) => void;
  /** Figures of these devices alone, once a second. */
  onFigures: (figures: Aggregate) => void;
}

/** Nearer to the edge of the window a cell is not brought into sight. */
const MARGIN_PX = 80;

/** The devices of one group on one canvas. Subscribed while it exists, which is while it is near the screen. */
export function FloorCells(props: Props) {
  let canvas!: HTMLCanvasElement;
  let cells: FleetCell[] = [];
  let places = new Map<number, number>();
  let columns = 1;
  let focused = -1;
  let whole = true;
  const [count, setCount] = createSignal(0);
  /** The values of another metric were asked for. */
  let awaited = false;
  const dirty = new Set<number>();
  const pitch = (): number => props.look().pitch;

  const live = openView<"fleet">(
    { kind: "fleet", group: props.group, ...(props.metric ? { metric: props.metric } : {}) },
    (change, table) => {
      if (change && !change.structure) for (const row of change.keys) dirty.add(row);
      else {
        const known = new Set(groupPaths());
        cells = [...table.cells.values()]
          .filter((cell) => homeOf(cell.group, known) === props.group)
          .sort((a, b) => compareNames(a.id, b.id));
        places = new Map(cells.map((cell, i) => [cell.row, i]));
        whole = true;
        setCount(cells.length);
        props.onValues(props.group, numbers());
        props.onFigures(figuresOf(cells));
      }
      if (awaited) {
        awaited = false;
        whole = true;
        props.onValues(props.group, numbers());
        props.onFigures(figuresOf(cells));
      }
      onFrame(draw);
    },
  );
  const numbers = (): number[] => cells.flatMap((cell) => (typeof cell.value === "number" && cell.state !== "lost" ? [cell.value] : []));
  const report = setInterval(() => props.onValues(props.group, numbers()), 5000);
  const figures = setInterval(() => props.onFigures(figuresOf(cells)), 1000);

  const layout = (): CanvasRenderingContext2D | null => {
    const ratio = devicePixelRatio;
    const width = canvas.parentElement?.clientWidth ?? 0;
    columns = Math.max(1, Math.floor(width / pitch()));
    const rows = Math.max(1, Math.ceil(cells.length / columns));
    canvas.width = columns * pitch() * ratio;
    canvas.height = rows * pitch() * ratio;
    canvas.style.width = `${columns * pitch()}px`;
    canvas.style.height = `${rows * pitch()}px`;
    const context = canvas.getContext("2d");
    context?.scale(ratio, ratio);
    return context;
  };
  const paint = (context: CanvasRenderingContext2D, index: number): void => {
    const cell = cells[index];
    if (cell) paintCell(context, (index % columns) * pitch(), Math.floor(index / columns) * pitch(), cell, props.look(), index === focused);
  };
  const draw = (): void => {
    if (!canvas.isConnected) return;
    const context = whole ? layout() : canvas.getContext("2d");
    if (!context) return;
    if (whole) cells.forEach((_, index) => paint(context, index));
    else for (const row of dirty) paint(context, places.get(row) ?? -1);
    whole = false;
    dirty.clear();
  };
  const redraw = (): void => {
    whole = true;
    onFrame(draw);
  };

  const focus = (index: number, isEntered = false): void => {
    for (const changed of [focused, index]) if (cells[changed]) dirty.add((cells[changed] as FleetCell).row);
    focused = index;
    onFrame(draw);
    const cell = cells[index];
    if (!cell) return props.onFocus(null);
    const box = canvas.getBoundingClientRect();
    props.onFocus({
      cell,
      isEntered,
      left: box.left + (index % columns) * pitch(),
      top: box.top + Math.floor(index / columns) * pitch(),
      size: pitch(),
    });
  };
  /** Scrolls until the cell is seen, and marks it. */
  const bring = (id: string | null): void => {
    const index = cells.findIndex((cell) => cell.id === id);
    if (index < 0) return;
    const top = canvas.getBoundingClientRect().top + Math.floor(index / columns) * pitch();
    if (top < MARGIN_PX || top > innerHeight - MARGIN_PX) canvas.closest("main")?.scrollBy(0, top - innerHeight / 2);
    onFrame(() => focus(index));
  };
  const indexAt = (event: MouseEvent): number => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / pitch());
    const index = Math.floor((event.clientY - box.top) / pitch()) * columns + column;
    return column < columns && index >= 0 && index < cells.length ? index : -1;
  };
  const onKey = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const by = steps[event.key];
    if (by !== undefined) {
      event.preventDefault();
      const next = focused + by;
      if (next >= 0 && next < cells.length) focus(next, true);
      else neighbour(canvas, Math.sign(by))?.focus();
    } else if (event.key === "Enter" && cells[focused]) props.onOpen(cells[focused] as FleetCell);
  };

  createEffect(
    on(
      () => props.metric,
      (metric) => {
        if (!metric) return;
        awaited = true;
        live.view.update({ metric });
      },
      { defer: true },
    ),
  );
  createEffect(on([() => props.look(), palette], redraw, { defer: true }));
  createEffect(on([() => props.goal, count], ([id]) => id !== null && onFrame(() => bring(id))));
  onMount(() => {
    const observer = new ResizeObserver(redraw);
    observer.observe(canvas.parentElement as HTMLElement);
    onCleanup(() => observer.disconnect());
  });
  onCleanup(() => {
    clearInterval(report);
    clearInterval(figures);
    props.onValues(props.group, null);
  });
  return (
    <canvas
      ref={canvas}
      class="cells"
      data-cells={count()}
      tabindex={props.isEntry ? 0 : -1}
      role="application"
      aria-label={props.label}
      onPointerMove={(event) => event.pointerType === "mouse" && focus(indexAt(event))}
      onPointerLeave={() => document.activeElement !== canvas && focus(-1)}
      onClick={(event) => {
        const index = indexAt(event);
        if (!cells[index]) return;
        focus(index);
        props.onOpen(cells[index] as FleetCell);
      }}
      onFocus={() => canvas.matches(":focus-visible") && focused < 0 && focus(0, true)}
      onBlur={() => focus(-1)}
      onKeyDown={onKey}
    />
  );
}

function neighbour(canvas: HTMLCanvasElement, by: number): HTMLCanvasElement | undefined {
  const all = [...document.querySelectorAll<HTMLCanvasElement>("canvas.cells")];
  return all[all.indexOf(canvas) + by];
}
