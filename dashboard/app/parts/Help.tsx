import { For } from "solid-js";
import { KEYS, setHelp } from "../lib/keys.js";

/** What the keys do. The browser keeps the focus in it, closes it by Escape and gives the focus back. */
export function Help() {
  let sheet!: HTMLDialogElement;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it closes it; for the keyboard Escape does.
    <dialog
      class="sheet"
      aria-labelledby="help-title"
      ref={(made) => ((sheet = made), queueMicrotask(() => made.showModal()))}
      onClose={() => setHelp(false)}
      onClick={(event) => event.target === sheet && sheet.close()}
    >
      <div class="head">
        <h2 id="help-title">Keyboard</h2>
        <button class="quiet" type="button" onClick={() => sheet.close()}>
          Close
        </button>
      </div>
      <dl class="dl">
        <For each={KEYS}>
          {([keys, meaning]) => (
            <>
              <dt>{meaning}</dt>
              <dd>
                <kbd>{keys}</kbd>
              </dd>
            </>
          )}
        </For>
      </dl>
    </dialog>
  );
}
