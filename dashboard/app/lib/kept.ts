// From when on readings come into history: what is older is shown, and kept nowhere.
import { createSignal } from "solid-js";
import type { State } from "../../client/index.js";

const [keptFrom, setKeptFrom] = createSignal<number | null>(null);
export { setKeptFrom };

/** Whether a device is heard and its newest time is of before what history keeps. */
export function isUnkept(device: { state: State; time: number | null }): boolean {
  const from = keptFrom();
  return from !== null && device.time !== null && device.state !== "lost" && device.time < from;
}

/** Beside a state, where it is so. */
export const UNKEPT = "not in history";
export const UNKEPT_WHY = "Its readings are older than what history keeps: its clock is probably wrong";
