// The order of the devices' table.
import type { FleetCell, Severity, State } from "../../client/index.js";
import { compareNames } from "../lib/groups.js";

export const COLUMNS = ["name", "state", "alert", "group", "value", "time", "heard"] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  by: Column;
  isDown: boolean;
}

/** Reads `name` or `-value`; anything else is by name. */
export function readSort(text: string | null): Sort {
  const isDown = text?.startsWith("-") ?? false;
  const by = COLUMNS.find((column) => column === text?.slice(isDown ? 1 : 0));
  return by ? { by, isDown } : { by: "name", isDown: false };
}

/** As the address says it; `null` for the default. */
export const sortText = ({ by, isDown }: Sort): string | null => (by === "name" && !isDown ? null : `${isDown ? "-" : ""}${by}`);

const STATE_RANK: Record<State, number> = { fresh: 0, late: 1, asleep: 2, lost: 3 };
const SEVERITY_RANK: Record<Severity, number> = { info: 1, warning: 2, critical: 3 };

/** What is sorted by: numbers before texts, and what is not known last, whichever way. */
function keyOf(cell: FleetCell, by: Column): number | string | null {
  switch (by) {
    case "name":
      return cell.name ?? cell.id;
    case "state":
      return STATE_RANK[cell.state];
    case "alert":
      return cell.alert === null ? null : SEVERITY_RANK[cell.alert];
    case "group":
      return cell.group;
    case "value":
      return typeof cell.value === "boolean" ? Number(cell.value) : cell.value;
    case "time":
      return cell.time;
    case "heard":
      return cell.heard;
  }
}

export function sorted(cells: readonly FleetCell[], { by, isDown }: Sort): FleetCell[] {
  const sign = isDown ? -1 : 1;
  const keyed = cells.map((cell) => ({ cell, key: keyOf(cell, by) }));
  const compare = (a: number | string, b: number | string): number => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return typeof a === typeof b ? compareNames(a as string, b as string) : typeof a === "number" ? -1 : 1;
  };
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null) || compareNames(a.cell.id, b.cell.id);
    return sign * compare(a.key, b.key) || compareNames(a.cell.id, b.cell.id);
  });
  return keyed.map(({ cell }) => cell);
}
