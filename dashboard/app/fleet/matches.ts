import type { FleetCell, State } from "../../client/index.js";

/** Only devices in a state, or in alert. */
export type Only = State | "alert";

/** Whether a device is among those that are meant. */
export function matches(cell: Pick<FleetCell, "id" | "name" | "state" | "alert">, only: Only | null, filter: string): boolean {
  const isInState = only === null || (only === "alert" ? cell.alert !== null : cell.state === only);
  const isCalled = (text: string | null): boolean => text?.toLowerCase().includes(filter.toLowerCase()) ?? false;
  return isInState && (filter === "" || isCalled(cell.id) || isCalled(cell.name));
}
