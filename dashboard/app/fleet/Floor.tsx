import { createEffect, createSignal, on, onCleanup, onMount, Show } from "solid-js";
import type { Aggregate, FleetCell } from "../../client/index.js";
import { exactValue, formatNumber, groupWords, plural, shortName } from "../lib/format.js";
import { aggregateOf, directCount, groupPaths, hasBelow, lastLevel, ownInAlertOf, ownStatesOf } from "../lib/groups.js";
import { href } from "../lib/router.js";
import type { Unit } from "../lib/units.js";
import { AlertMark } from "../parts/AlertMark.js";
import { UnitMark } from "../parts/UnitMark.js";
import { draw, setVisited } from "./entry.js";
import { FloorCells, type Focus } from "./FloorCells.js";
import type { Look } from "./paint.js";

interface Props {
  path: string;
  metric: string | undefined;
  unit: Unit;
  look: () => Look;
  isEntry: boolean;
  /** The device to bring into sight, if it is here. */
  goal: string | null;
  onWidth: (pixels: number) => void;
  onFocus: (focus: Focus | null) => void;
  onOpen: (cell: FleetCell) => void;
  onValues: (group: string, values: number[] | null) => void;
}

/** One group of devices: name, cells, aggregates. Only near the screen does it hold a canvas and a subscription. */
export function Floor(props: Props) {
  let box!: HTMLDivElement;
  const [near, setNear] = createSignal(false);
  const [width, setWidth] = createSignal(600);
  onMount(() => {
    const measure = new ResizeObserver(() => {
      setWidth(box.clientWidth);
      props.onWidth(box.clientWidth);
    });
    measure.observe(box);
    const watcher = new IntersectionObserver((entries) => setNear(entries[entries.length - 1]?.isIntersecting ?? false), {
      root: box.closest("main"),
      rootMargin: "300px 0px",
    });
    watcher.observe(box);
    onCleanup(() => {
      watcher.disconnect();
      measure.disconnect();
    });
  });
  createEffect(on(near, (isNear) => isNear && onCleanup(draw(props.path))));
  createEffect(
    on(
      () => props.goal,
      (goal) => goal !== null && !near() && box.scrollIntoView({ block: "center" }),
    ),
  );
  /** Figures of the devices beside it: the server's are of the groups below too. */
  const [own, setOwn] = createSignal<Aggregate | undefined>();
  const figures = () => (!props.metric ? undefined : hasBelow(props.path, groupPaths()) ? own() : aggregateOf(props.path, props.metric));
  const count = (): number => directCount(props.path);
  const height = (): string => `${Math.ceil(count() / Math.max(1, Math.floor(width() / props.look().pitch))) * props.look().pitch}px`;
  const label = () => `${groupWords(props.path)}: ${plural(count(), "device")}, ${ownStatesOf(props.path).fresh} fresh`;
  return (
    <div class="floor" data-row data-path={props.path} onFocusIn={() => setVisited(props.path)}>
      <a class="name" href={href("fleet", props.path)}>
        <span class="clip">{lastLevel(props.path) || "No group"}</span>
        <AlertMark counts={ownInAlertOf(props.path)} />
      </a>
      <div class="holder" ref={box} style={{ "min-height": height() }}>
        <Show when={near()}>
          <FloorCells
            group={props.path}
            metric={props.metric}
            look={props.look}
            label={label()}
            isEntry={props.isEntry}
            goal={props.goal}
            onFocus={props.onFocus}
            onOpen={props.onOpen}
            onValues={props.onValues}
            onFigures={setOwn}
          />
        </Show>
      </div>
      <FiguresOf path={props.path} metric={props.metric} figures={figures()} unit={props.unit} />
    </div>
  );
}

/** The figures of a group for one metric, else how many of its devices are fresh. */
function FiguresOf(props: { path: string; metric: string | undefined; figures: Aggregate | undefined; unit: Unit }) {
  const figures = () => props.figures;
  const digits = () => props.unit.decimals ?? 1;
  const exact = (value: number | null): string => exactValue(value, props.unit.unit);
  return (
    <dl class="aggregate">
      <Show
        when={(figures()?.count ?? 0) > 0 && figures()}
        fallback={
          <>
            <dt>fresh</dt>
            <dd>
              {formatNumber(ownStatesOf(props.path).fresh)} of {formatNumber(directCount(props.path))}
            </dd>
          </>
        }
      >
        {(one) => (
          <>
            <dt>mean</dt>
            <dd title={exact(one().mean)}>
              {formatNumber(one().mean, Math.max(1, digits()))} <UnitMark style={props.unit} metric={props.metric ?? ""} />
            </dd>
            <dt class="wide">min to max</dt>
            <dd class="wide">
              <Extreme value={one().lowest} device={one().lowestOf} digits={digits()} exact={exact(one().lowest)} /> to{" "}
              <Extreme value={one().highest} device={one().highestOf} digits={digits()} exact={exact(one().highest)} />
            </dd>
            <dt class="wide" title="Devices whose value is in the figures">
              counted
            </dt>
            <dd class="wide">
              {formatNumber(one().count)} of {formatNumber(one().devices)}
            </dd>
          </>
        )}
      </Show>
    </dl>
  );
}

/** An extreme, which leads to the device that has it. */
function Extreme(props: { value: number | null; device: string | null; digits: number; exact: string }) {
  const text = (): string => formatNumber(props.value, props.digits);
  return (
    <Show when={props.device} fallback={<span title={props.exact}>{text()}</span>}>
      {(id) => (
        <a href={href("device", id())} title={`${shortName(id())}: ${props.exact}`}>
          {text()}
        </a>
      )}
    </Show>
  );
}
