import { Show } from "solid-js";

/** Why something did not work, in the server's words, and a way to try it again where there is one. */
export function Failure(props: { why: string | null | undefined; again?: () => Promise<void> }) {
  return (
    <Show when={props.why}>
      {(why) => (
        <p class="wrong" role="alert">
          {why()}
          <Show when={props.again}>
            {(again) => (
              <>
                {" "}
                <button class="button" type="button" onClick={() => void again()()}>
                  Try again
                </button>
              </>
            )}
          </Show>
        </p>
      )}
    </Show>
  );
}
