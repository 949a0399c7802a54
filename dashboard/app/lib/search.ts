// Devices and groups by part of their name.
import { api } from "./api.js";
import { deviceName, groupWords } from "./format.js";
import { groupPaths } from "./groups.js";
import { sortHits, type Hit } from "./hits.js";
import { href } from "./router.js";

/** Groups and devices in a list, and of how many devices the best are chosen. */
const GROUPS = 4;
const DEVICES = 8;
const ASKED = 50;

export function findGroups(text: string): Hit[] {
  const groups = groupPaths()
    .filter((path) => path !== "" && path.toLowerCase().includes(text.toLowerCase()))
    .map((path) => ({ id: path, name: groupWords(path), where: "group", address: href("fleet", path) }));
  return sortHits(groups, text).slice(0, GROUPS);
}

export async function findDevices(text: string): Promise<Hit[]> {
  const devices = await api.devices(text, ASKED).then(
    (answer) => answer.devices,
    () => [],
  );
  const hits = devices.map(({ id, group, about }) => ({
    id,
    name: deviceName({ id, name: about?.name }),
    where: `${groupWords(group)}${about?.hidden ? ", hidden" : ""}`,
    address: href("device", id),
  }));
  return sortHits(hits, text).slice(0, DEVICES);
}
