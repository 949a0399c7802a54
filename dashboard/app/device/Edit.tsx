import { createSignal, createUniqueId, Show } from "solid-js";
import type { Device } from "../../client/index.js";
import { deviceName, groupWords, shortName } from "../lib/format.js";
import { describe, patchOf, spanText, wishOf, type Wish } from "../lib/register.js";

/** Says what a device is called, where it is, what belongs to it. What is left empty, the device says itself. */
export function Edit(props: { device: Device; onClose: () => void }) {
  let sheet!: HTMLDialogElement;
  const about = () => props.device.about;
  const before = wishOf(about());
  const [wish, setWish] = createSignal<Wish>(before);
  const [isSending, setSending] = createSignal(false);
  const [failure, setFailure] = createSignal<string | null>(null);
  const change = (fields: Partial<Wish>): void => {
    setFailure(null);
    setWish((known) => ({ ...known, ...fields }));
  };
  /** What shows where nothing is said; not known where something is said now. */
  const own = (said: unknown, text: string | undefined): string => (said === undefined ? (text ?? "") : "");
  const save = async (): Promise<void> => {
    const patch = patchOf(before, wish());
    if (typeof patch === "string") return void setFailure(patch);
    if (Object.keys(patch).length === 0) return sheet.close();
    setSending(true);
    try {
      await describe(props.device.id, patch);
      sheet.close();
    } catch (error) {
      setFailure((error as Error).message);
    }
    setSending(false);
  };
  const why = createUniqueId();
  return (
    <dialog
      class="sheet edit"
      aria-labelledby="edit-title"
      ref={(made) => ((sheet = made), queueMicrotask(() => made.showModal()))}
      onClose={() => props.onClose()}
    >
      <div class="head">
        <h2 id="edit-title">{deviceName({ id: props.device.id, name: about()?.name })}</h2>
        <button class="quiet" type="button" onClick={() => sheet.close()}>
          Close
        </button>
      </div>
      <form aria-describedby={failure() ? why : undefined} onSubmit={(event) => (event.preventDefault(), void save())}>
        <label>
          <span>Name</span>
          <input
            type="text"
            maxlength="200"
            autocomplete="off"
            autofocus
            placeholder={own(about()?.said?.name, about()?.name) || shortName(props.device.id)}
            value={wish().name}
            onInput={(event) => change({ name: event.currentTarget.value })}
          />
        </label>
        <label>
          <span>
            Place <small>levels joined by a slash: House/Cellar</small>
          </span>
          <input
            type="text"
            maxlength="200"
            autocomplete="off"
            placeholder={own(about()?.said?.group, props.device.group) || groupWords("")}
            value={wish().group}
            onInput={(event) => change({ group: event.currentTarget.value })}
          />
        </label>
        <label>
          <span>
            Labels <small>a line each: floor=2</small>
          </span>
          <textarea rows="2" spellcheck={false} value={wish().labels} onInput={(event) => change({ labels: event.currentTarget.value })} />
        </label>
        <label>
          <span>
            Expected to report every <small>10 min, 1 h; late when half as long again has passed</small>
          </span>
          <input
            type="text"
            autocomplete="off"
            placeholder={own(about()?.said?.interval_ms, about()?.interval_ms ? spanText(about()?.interval_ms ?? 0) : "as it does")}
            value={wish().interval}
            onInput={(event) => change({ interval: event.currentTarget.value })}
          />
        </label>
        <label>
          <span>Notes</span>
          <textarea rows="3" maxlength="4000" value={wish().notes} onInput={(event) => change({ notes: event.currentTarget.value })} />
        </label>
        <label class="check">
          <input type="checkbox" checked={wish().hidden} onChange={(event) => change({ hidden: event.currentTarget.checked })} />
          <span>
            Hidden <small>not on the fleet page and in no figures; found by its name</small>
          </span>
        </label>
        <p class="sub">
          What is empty shows as the device says it itself. Its history stays whatever it is called; how long it is kept may be said by its
          place.
        </p>
        <Show when={failure()}>
          {(text) => (
            <p class="wrong" role="alert" id={why}>
              Not saved. {text()}
            </p>
          )}
        </Show>
        <div class="buttons">
          <button class="button" type="button" onClick={() => sheet.close()}>
            Cancel
          </button>
          <button class="button primary" type="submit" disabled={isSending()}>
            {isSending() ? "Asked…" : "Save"}
          </button>
        </div>
      </form>
    </dialog>
  );
}
