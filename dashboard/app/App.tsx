import { createEffect, For, lazy, Match, Show, Suspense, Switch, type Component } from "solid-js";
import { raisedCount } from "./lib/alerts.js";
import { help } from "./lib/keys.js";
import { formatClock, formatExact } from "./lib/format.js";
import { isStale, now, status } from "./lib/live.js";
import { href, route, type Page } from "./lib/router.js";
import { PAGE_TITLES, titleOf } from "./lib/title.js";
import { nextTheme } from "./lib/theme.js";
import { Alerts } from "./pages/Alerts.js";
import { Clients } from "./pages/Clients.js";
import { Fleet } from "./pages/Fleet.js";
import { Problems } from "./pages/Problems.js";
import { Status } from "./pages/Status.js";
import { Find } from "./parts/Find.js";
import { GroupTree } from "./parts/GroupTree.js";
import { Help } from "./parts/Help.js";
import { Pill } from "./parts/Pill.js";

// The charts come with their own library: only who looks at a device loads it.
const Device = lazy(() => import("./pages/Device.js"));

const PAGES: Record<Exclude<Page, "device">, Component> = {
  fleet: Fleet,
  alerts: Alerts,
  clients: Clients,
  problems: Problems,
  status: Status,
};

function shown(): Component | null {
  const { page } = route();
  return page === "device" ? null : PAGES[page];
}

export function App() {
  createEffect(() => (document.title = titleOf(route(), raisedCount())));
  return (
    <div class="app" classList={{ stale: isStale() }}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href="/">
          <svg
            width="20"
            height="20"
            viewBox="0 0 20 20"
            fill="none"
            stroke="currentColor"
            stroke-width="1.8"
            stroke-linecap="round"
            aria-hidden="true"
          >
            <path d="M4 2v16M16 2v16" />
            <path d="M4 7c2-2 4-2 6 0s4 2 6 0M4 12c2-2 4-2 6 0s4 2 6 0" />
          </svg>
          Tidegate
        </a>
        <nav class="nav" aria-label="Pages">
          <Links />
        </nav>
        <div class="grow" />
        <Find />
        <button class="quiet theme" type="button" onClick={nextTheme} title="Switch between light and dark">
          Light/dark
        </button>
        <Pill />
      </header>
      <aside class="side">
        <GroupTree />
      </aside>
      <main class="main" id="main" tabindex="0">
        <Show when={isStale() && status().heard}>
          {(heard) => (
            <p class="as-of" title={formatExact(heard())}>
              As of {formatClock(heard(), now())}: nothing has been heard since.
            </p>
          )}
        </Show>
        <Switch>
          <Match when={route().page === "device" && route().name} keyed>
            {(id) => (
              <Suspense fallback={<div class="skeleton tall" />}>
                <Device id={id} />
              </Suspense>
            )}
          </Match>
          <Match when={shown()} keyed>
            {(Shown) => <Shown />}
          </Match>
        </Switch>
      </main>
      <nav class="tabs" aria-label="Pages">
        <Links />
      </nav>
      <Show when={help()}>
        <Help />
      </Show>
    </div>
  );
}

/** Moves the focus past the navigation; the address stays that of the page. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Links() {
  const isOn = (page: Page): boolean => route().page === page || (page === "fleet" && route().page === "device");
  return (
    <For each={PAGE_TITLES}>
      {([page, title]) => (
        <a href={href(page)} classList={{ on: isOn(page) }} aria-current={isOn(page) ? "page" : undefined}>
          {title}
          <Show when={page === "alerts" && raisedCount() > 0}>
            <span class="count">{raisedCount()}</span>
          </Show>
        </a>
      )}
    </For>
  );
}
