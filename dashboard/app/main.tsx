import { render } from "solid-js/web";
import "./style/fonts.css";
import "./style/base.css";
import "./style/fleet.css";
import "./style/pages.css";
import "./style/chart.css";
import "./style/commands.css";
import "./style/print.css";
import { App } from "./App.js";
import { startLive } from "./lib/live.js";
import { listenKeys } from "./lib/keys.js";
import { followLinks } from "./lib/router.js";
import { allowSound } from "./lib/sound.js";

startLive();
listenKeys();
followLinks();
allowSound();
render(() => <App />, document.getElementById("app") as HTMLElement);
