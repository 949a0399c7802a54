import { findDevices, findGroups } from "../lib/search.js";
import { go } from "../lib/router.js";
import { Combobox } from "./Combobox.js";

/** Finds devices (asked of the server) and groups (known here). */
export function Find() {
  const search = async (text: string) => [...findGroups(text), ...(await findDevices(text))];
  return (
    <div class="find">
      <Combobox
        id="find"
        words="Find a device or group"
        none="No device or group is called so."
        search={search}
        onChoose={(hit) => go(hit.address)}
      />
      <kbd>/</kbd>
    </div>
  );
}
