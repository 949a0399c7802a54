// Why a live session cannot be opened: a WebSocket does not tell, so it is asked for in another way.
import { createSignal } from "solid-js";
import { Problem, request } from "./api.js";
import { client } from "./live.js";

const [refusal, setRefusal] = createSignal<string | null>(null);
/** What the server says to a page that it does not let in; `null` where it does not answer, or lets it in. */
export { refusal };

/** A browser says with a POST where its page is from, as with a WebSocket; the path takes none, so nothing is done. */
const METHOD_REFUSED = "urn:tidegate:method-not-allowed";
const NO_WAY =
  "The server answers, but no live connection comes through. A proxy in between has to pass WebSocket on (Upgrade and Connection).";

async function ask(): Promise<string | null> {
  try {
    await request("/v1/live", { method: "POST" });
    return null;
  } catch (failure) {
    if (!(failure instanceof Problem) || failure.type === "") return null;
    return failure.type === METHOD_REFUSED ? NO_WAY : failure.message;
  }
}

/** Asks each time an attempt to connect has failed. */
export function followRefusals(): void {
  let asked: number | null = null;
  client.watch(({ phase, retry_at }) => {
    if (phase !== "offline") {
      asked = null;
      setRefusal(null);
    } else if (retry_at !== null && retry_at !== asked) {
      asked = retry_at;
      void ask().then((words) => asked === retry_at && setRefusal(words));
    }
  });
}
