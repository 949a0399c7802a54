import type { Device, Metric } from "../../client/index.js";
import type { Columns } from "../chart/data.js";
import { Spark } from "../chart/Spark.js";
import { exactValue, formatMeasuredExact, formatNumber, formatSpan, formatValue, metricName } from "../lib/format.js";
import { now } from "../lib/live.js";
import { setQuery } from "../lib/router.js";
import { shownAs, styleOf } from "../lib/units.js";
import { UnitMark } from "../parts/UnitMark.js";

/** What a card's line shows, ms. */
export const TREND_MS = 3_600_000;

/** Characters of a value that a card has room for, in its own letters and in smaller ones. */
const FITS = 9;
const FITS_SMALLER = 13;

/** A metric's newest value, and how it went lately. A click shows it over time. */
export function MetricCard(props: { metric: Metric; cell: Device["cells"][number]; columns: Columns; isOn: boolean }) {
  const style = () => shownAs(props.metric.name, props.cell?.value, styleOf(props.metric));
  const shown = (): string => formatValue(props.cell?.value, style().decimals, style().words);
  const change = (): string => {
    if (props.cell?.time === null) return "from before";
    // Neither words nor on and off go up or down.
    if (typeof props.cell?.value !== "number") return "";
    const known = props.columns[1].filter((mean): mean is number => mean !== null);
    if (known.length < 2) return "";
    const moved = (known[known.length - 1] as number) - (known[0] as number);
    const text = formatNumber(moved, style().decimals ?? 1);
    if (!/[1-9]/.test(text)) return "steady";
    const span = ((props.columns[0][props.columns[0].length - 1] ?? 0) - (props.columns[0][0] ?? 0)) * 1000;
    return `${moved > 0 ? "+" : ""}${text} in ${formatSpan(span)}`;
  };
  return (
    <button
      class="box metric"
      type="button"
      classList={{ on: props.isOn }}
      aria-pressed={props.isOn}
      onClick={() => setQuery({ metric: props.metric.name })}
    >
      <span class="title">
        <span>{metricName(props.metric)}</span>
        <span>{change()}</span>
      </span>
      <span
        class="value"
        classList={{ long: shown().length > FITS, longest: shown().length > FITS_SMALLER }}
        title={`${exactValue(props.cell?.value, style().unit, style().words)}\n${formatMeasuredExact(props.cell?.time, props.cell?.value)}`}
      >
        {shown()}
        <UnitMark style={style()} metric={props.metric.name} />
      </span>
      <Spark columns={props.columns} from={now() / 1000 - TREND_MS / 1000} to={now() / 1000} />
    </button>
  );
}
