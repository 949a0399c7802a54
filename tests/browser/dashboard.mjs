// What the dashboard promises, in Chromium against a running server: dashboard.mjs SCENE HTTP MQTT
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import mqttjs from "mqtt";
import { compare, days, fingers } from "./charts.mjs";
import { accessible, focus, quiet } from "./access.mjs";
import { failing, sections } from "./alerts.mjs";
import { filter, inAlert, table, unkept } from "./fleet.mjs";
import { named, namedByThumb } from "./register.mjs";
import { inBrowser, PATIENCE_MS, publisher, say, shows } from "./page.mjs";

const MINUTE_MS = 60_000;
const [scene, http, mqtt] = process.argv.slice(2);
const base = `http://${http}`;
const device = (id) => `/device/${id}`;
const value = ".metric .value";

const scenes = { arrival, alert, keyboard, outage, hidden, chart, words, problems, clients, command, phone, proxied, compare, days, fingers, inAlert, table, unkept, filter, sections, failing, accessible, focus, quiet, named, namedByThumb };
await (scenes[scene] ?? (() => assert.fail(`usage: dashboard.mjs ${Object.keys(scenes).join("|")} HTTP MQTT`)))({ base, mqtt });

/** An empty server teaches; what real clients then publish is on the pages that were open all the time. */
async function arrival() {
  await inBrowser(base, async (open) => {
    const fleet = await open("/");
    await shows(fleet, ".empty", `mosquitto_pub -h 127.0.0.1 -p ${mqtt.split(":").pop()} `);
    const pages = {
      "22.5": await open(device("site/a/f1/paho-5-1")),
      "23.5": await open(device("site/a/f1/mqttjs-5-1")),
      "24.5": await open(device("site/a/f1/mosquitto")),
    };
    for (const page of Object.values(pages)) await shows(page, ".empty", "No device is called");
    say("open");
    for (const [text, page] of Object.entries(pages)) await shows(page, value, text);
    await shows(fleet, ".head", "16 devices");
    await fleet.locator("canvas.cells").focus();
    await fleet.keyboard.press("ArrowRight");
    await shows(fleet, ".tip", /mqttjs|paho|mosquitto/);
    await fleet.keyboard.press("Enter");
    await shows(fleet, ".panel", /2[234]\.5/);
  });
}

/** An alert is there within a second, and says who took it on. */
async function alert() {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", { deviceId: "dev1", temperature: 20 });
  await inBrowser(base, async (open) => {
    const page = await open("/alerts");
    await shows(page, ".empty", "No alert");
    await page.evaluate(() => {
      window.seen = new Promise((resolve) => {
        const look = () => document.querySelector(".alerts [data-acknowledge]") && resolve(Date.now());
        new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
      });
    });
    const published = Date.now();
    await publish("lab/data", { deviceId: "dev1", temperature: 31.5 });
    const way_ms = (await page.evaluate(() => window.seen)) - published;
    say(`alert on the page ${way_ms} ms after the publication`);
    assert.ok(way_ms < 1000, `an alert is on the page within a second, not after ${way_ms} ms`);
    await shows(page, ".alerts tr", "dev1");
    await shows(page, ".nav .count", "1");
    await page.locator("[data-acknowledge]").click();
    await shows(page, ".alerts .act", /anonymous, \d\d:\d\d:\d\d/);
    await page.reload();
    await shows(page, ".alerts .act", /anonymous, \d\d:\d\d:\d\d/);
    await publish("lab/data", { deviceId: "dev1", temperature: 20 });
    await shows(page, ".empty", "No alert");
    await page.getByRole("button", { name: "Recent" }).click();
    await shows(page, ".alerts tr", "dev1");
  });
  await end();
}

/** Everything a person does all day is on a key. */
async function keyboard() {
  const { publish, end } = await publisher(mqtt);
  for (const name of ["dev1", "dev2"]) await publish(`site/a/f1/${name}/temperature`, "31.5");
  await inBrowser(base, async (open) => {
    const page = await open("/");
    await shows(page, "h1", "All devices");
    await page.keyboard.press("/");
    await page.keyboard.type("dev2");
    await shows(page, ".hits [role=option][aria-selected=true]", "dev2");
    await page.locator("#find").fill("no such device");
    await shows(page, ".hits [role=option]", "No device or group is called so");
    await page.locator("#find").fill("dev2");
    await shows(page, ".hits [role=option][aria-selected=true]", "dev2");
    await page.keyboard.press("Enter");
    await shows(page, "h1", "dev2");
    assert.match(await page.title(), /dev2 – Tidegate$/, "each page has a title of its own");
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await shows(page, "h1", "Alerts");
    await page.locator(".alerts tbody tr").nth(1).waitFor();
    const focused = () => page.evaluate(() => [...document.querySelectorAll("main [data-row]")].indexOf(document.activeElement));
    for (const [key, row] of [["j", 0], ["j", 1], ["k", 0]]) {
      await page.keyboard.press(key);
      assert.equal(await focused(), row, `${key} goes to row ${row}`);
    }
    await page.keyboard.press("a");
    await shows(page, ".alerts .act", "anonymous");
    await page.keyboard.press("g");
    await page.keyboard.press("f");
    await shows(page, "h1", "All devices");
    await page.keyboard.press("?");
    await shows(page, "dialog", "Keyboard");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
  });
  await end();
}

/** The page says that it is cut off, and mends itself. The test kills and restarts the server meanwhile. */
async function outage() {
  const { publish, end } = await publisher(mqtt);
  await publish("site/a/f1/dev1/temperature", "21.5");
  await end();
  await inBrowser(base, async (open) => {
    const page = await open(device("site/a/f1/dev1"));
    await shows(page, value, "21.5");
    await shows(page, ".pill.live", "Live");
    await page.evaluate(() => (window.isTheSamePage = true));
    say("live");
    await shows(page, ".pill.offline", "Offline");
    await page.locator(".app.stale").waitFor();
    await shows(page, ".as-of", /As of \d\d:\d\d:\d\d/);
    await shows(page, value, "21.5");
    say("offline");
    await shows(page, value, "25.5");
    await shows(page, ".pill.live", "Live");
    await page.locator(".app:not(.stale)").waitFor();
    assert.ok(await page.evaluate(() => window.isTheSamePage), "nobody reloaded it");
  }, { forgive: /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket/ });
}

/** A hidden page asks for nothing, and catches up when it is looked at. */
async function hidden() {
  const { publish, end } = await publisher(mqtt);
  await publish("site/a/f1/dev1/temperature", "21.5");
  await inBrowser(base, async (open) => {
    const page = await open(device("site/a/f1/dev1"));
    await shows(page, value, "21.5");
    const setVisibility = (state) => page.evaluate((wanted) => {
      Object.defineProperty(document, "visibilityState", { value: wanted, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    await setVisibility("hidden");
    await shows(page, ".pill.paused", "Paused");
    // The page says so at once; the server knows it when the message is there, and readings may overtake that.
    let last = 21.5;
    let isHeld = false;
    for (let round = 0; round < 20 && !isHeld; round++) {
      const before = await page.locator(value).innerText();
      for (let i = 0; i < 2; i++) await publish("site/a/f1/dev1/temperature", String(++last));
      await page.waitForFunction(async (wanted) => (await (await fetch("/v1/devices/dev1")).json()).metrics.temperature.value === wanted, last);
      await page.waitForTimeout(200);
      isHeld = (await page.locator(value).innerText()) === before;
    }
    assert.ok(isHeld, "a page that is not seen is sent nothing");
    await setVisibility("visible");
    await shows(page, value, last.toFixed(1));
    await shows(page, ".pill.live", "Live");
  });
  await end();
}

/** History and live are one line; the address says what is shown. */
async function chart() {
  const { publish, end } = await publisher(mqtt);
  const now = Date.now();
  const past = Array.from({ length: 60 }, (_, i) => ({ deviceId: "dev1", temperature: 20, timestamp: now - (60 - i) * 10_000 - MINUTE_MS }));
  await publish("lab/data", past);
  await inBrowser(base, async (open) => {
    const page = await open(device("dev1"));
    const over = page.locator(".u-over");
    const at = async (share) => {
      const box = await over.boundingBox();
      return [box.x + box.width * share, box.y + box.height / 2];
    };
    const reads = (share, text) => page.waitForFunction(async ([x, y, wanted]) => {
      const target = document.querySelector(".u-over");
      target?.dispatchEvent(new MouseEvent("mousemove", { clientX: x, clientY: y, bubbles: true }));
      await new Promise(requestAnimationFrame);
      return document.querySelector(".hovered b")?.textContent === wanted;
    }, [...share, text], { polling: 100, timeout: PATIENCE_MS });

    await over.waitFor();
    await page.route("**/v1/rules*", () => {});
    await page.reload();
    await over.waitFor();
    await reads(await at(0.6), "20.0");
    await publish("lab/data", { deviceId: "dev1", temperature: 31.5, timestamp: Date.now() });
    await reads(await at(0.999), "31.5");
    await reads(await at(0.6), "20.0");

    await page.getByRole("button", { name: "6 h", exact: true }).click();
    await page.waitForURL(/window=6h/);
    await reads(await at(0.985), "20.0");
    const [left, y] = await at(0.25);
    const [right] = await at(0.75);
    await page.mouse.move(left, y);
    await page.mouse.down();
    await page.mouse.move(right, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    const { searchParams } = new URL(page.url());
    const span_ms = searchParams.get("to") - searchParams.get("from");
    assert.ok(Math.abs(span_ms - 180 * MINUTE_MS) < 5 * MINUTE_MS, `half of six hours were chosen, not ${span_ms} ms`);
    await page.reload();
    await shows(page, ".box .title", "Back to now");
    const zoomed = page.url();
    const isBack = (url) => !url.searchParams.has("from") && url.searchParams.get("window") === "6h";
    await over.dblclick();
    await page.waitForURL(isBack);
    await page.goto(zoomed);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.waitForURL(isBack);
  });
  await end();
}

/** What says words has a list of what it said, and a switch is on or off: neither is a number that moved. */
async function words() {
  const { publish, end } = await publisher(mqtt);
  const now = Date.now();
  const say = (age_ms, state, door) => ({ deviceId: "press7", state, door, temperature: 20, timestamp: now - age_ms });
  const states = [["idle", 1, false], ["idle", 1, true], ["running", 3, true], ["stuck", 2, false]];
  const past = states.flatMap(([state, minutes, door]) => Array.from({ length: minutes * 6 }, () => [state, door]));
  await publish("lab/data", past.map(([state, door], i) => say((past.length - i) * 10_000, state, door)));
  await inBrowser(base, async (open) => {
    const page = await open(device("press7"));
    const rows = async () => (await page.locator(".changes tbody tr").allInnerTexts()).map((row) => row.split("\t")[0]);
    const hears = (list) => page.waitForFunction((wanted) => [...document.querySelectorAll(".changes tbody tr td:first-child")].map((cell) => cell.textContent).join() === wanted, list.join(), { timeout: PATIENCE_MS })
      .catch(async (error) => assert.fail(`the list says ${await rows()}, not ${list}: ${error.message}`));
    await page.locator(".metric", { hasText: "State" }).click();
    await hears(["stuck", "running", "idle"]);
    await shows(page, ".changes tbody tr:nth-child(2)", "3 min");
    await publish("lab/data", say(0, "idle", true));
    await hears(["idle", "stuck", "running", "idle"]);
    await publish("lab/data", { ...say(0, "idle", true), timestamp: now + 1000 });
    await page.reload();
    await hears(["idle", "stuck", "running", "idle"]);
    assert.doesNotMatch(await page.locator(".metric", { hasText: "Door" }).innerText(), / in \d/, "a switch has no trend");
    await page.locator(".metric", { hasText: "Door" }).click();
    const { width } = await page.locator(".u-over").boundingBox();
    await page.locator(".u-over").hover({ position: { x: width * 0.8, y: 50 } });
    await shows(page, ".hovered b", /^(on|off)$/);
    await page.goto(new URL("/devices/press7", base).href);
    await shows(page, "h1", "All devices");
    await page.goto(new URL("/device/%zz", base).href);
    await shows(page, ".empty", "No device is called %zz");
  });
  await end();
}

/** What could not be understood is shown with its reason, topic and first bytes. */
async function problems() {
  const { publish, end } = await publisher(mqtt);
  await inBrowser(base, async (open) => {
    const page = await open("/problems");
    await shows(page, ".empty", "No problem");
    await publish("lab/broken/dev9", '{"temperature":');
    await shows(page, ".problems .what", /^Invalid JSON/);
    await shows(page, ".problems .device", "lab/broken/dev9");
    await shows(page, ".problems .sample", '{"temperature":');
    // What is not understood is tried from there, and a mapping proposed.
    await publish("lab/a/dev8/data", '{"v":{"t":"23,5"}}');
    const row = page.locator(".problems tr", { hasText: "lab/a/dev8/data" });
    await row.getByRole("button", { name: "Try it" }).click();
    await page.waitForURL(/topic=lab%2Fa%2Fdev8%2Fdata/);
    await shows(page, ".try .wrong", "decimal comma");
    await shows(page, ".try pre", 'topic = "lab/+area/+device/data"');
    await page.getByRole("textbox", { name: "Payload" }).fill('{"v":{"t":23.5}}');
    await page.getByRole("button", { name: "Try it", exact: true }).last().click();
    await shows(page, ".try .reading", /v\.t\s*23\.5/);
  });
  await end();
}

/** Who is connected is on the page, with what it subscribed to and what passes; a click and a confirmation end it. */
async function clients() {
  const { publish, end } = await publisher(mqtt);
  const [host, port] = mqtt.split(":");
  await inBrowser(base, async (open) => {
    const page = await open("/clients?q=gateway");
    await shows(page, ".empty", "No client fits");
    const client = await mqttjs.connectAsync(`mqtt://${host}:${port}`, { clientId: "gateway-7", protocolVersion: 5, reconnectPeriod: 0 });
    await client.subscribeAsync("site/+/set", { qos: 1 });
    await shows(page, ".clients tr", "gateway-7");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(/client=gateway-7/);
    await shows(page, ".panel", "site/+/set");
    await page.getByRole("checkbox", { name: "Payloads" }).check();
    await page.getByRole("button", { name: "Start" }).click();
    await shows(page, ".trace", "connected");
    await publish("site/a/set", "on");
    await shows(page, ".trace", /to it.*PUBLISH.*site\/a\/set.*2 B: on/s);
    await shows(page, ".trace", /from it.*PUBACK/s);
    await page.getByRole("button", { name: "Disconnect…" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.ok(client.connected, "nothing happens before it is confirmed");
    await page.getByRole("button", { name: "Disconnect…" }).click();
    await page.getByRole("button", { name: "Disconnect", exact: true }).click();
    await shows(page, ".trace", "ended by an operator");
    await shows(page, ".clients .end", "ended by an operator");
    await page.keyboard.press("Escape");
    await page.locator(".panel").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Connected" }).click();
    await shows(page, ".empty", "No client fits");
    await client.endAsync();
    const tls = connect(Number(port), host).end(Buffer.from("160301000100", "hex"));
    await once(tls.resume(), "close");
    const clients = await open("/clients");
    await shows(clients, ".refusals tbody tr", /127\.0\.0\.1:\d+.*spoke another protocol.*this port speaks plain MQTT, and TLS came/s);
  });
  await end();
}

/** What cannot be sent says why; what is sent gets on before one's eyes, to the device's answer. */
async function command() {
  const [host, port] = mqtt.split(":");
  const client = await mqttjs.connectAsync(`mqtt://${host}:${port}`, { clientId: "dev1", protocolVersion: 5, reconnectPeriod: 0 });
  client.on("message", (_topic, payload, { properties }) => void client.publish(properties.responseTopic, `${payload}: done`, { qos: 1, properties: { correlationData: properties.correlationData } }));
  await client.publishAsync("site/a/f1/dev1/temperature", "21.5", { qos: 1 });
  await inBrowser(base, async (open) => {
    const page = await open(device("site/a/f1/dev1"));
    const send = page.getByRole("button", { name: "Send" });
    await shows(page, ".commands", "None yet");
    await shows(page, ".command-form .said", "Nobody has subscribed to site/a/f1/dev1/command");
    assert.ok(await send.isDisabled(), "what nobody would get cannot be sent");
    await client.subscribeAsync("site/a/f1/dev1/command", { qos: 2 });
    await shows(page, ".command-form .said", "Goes to dev1 (connected)");
    await page.getByLabel("Payload").fill("open the valve");
    await page.getByRole("group", { name: "QoS" }).getByRole("button", { name: "2" }).click();
    await send.click();
    await shows(page, ".sent .became", /answered.*open the valve: done/s);
    await shows(page, ".sent .times", /sent \+.*delivered \+.*answered \+/s);
    assert.equal(await page.getByLabel("Payload").inputValue(), "", "the form is ready for the next one");
    await page.reload();
    await shows(page, ".sent .became", /answered.*open the valve: done/s);
    await page.getByLabel("Topic").fill("site/+/command");
    await page.getByLabel("Payload").fill("shut");
    await send.click();
    await shows(page, ".command-form .wrong", "no topic name");
  }, { forgive: /400 \(Bad Request\)/ });
  await client.endAsync();
}

/** Behind a proxy that asks in its own name the page says what the server says to it. */
async function proxied() {
  const [host, port] = http.split(":");
  const onward = ({ method, url, headers }) => ({ host, port, method, path: url, headers: { ...headers, host: http } });
  const proxy = createServer((asked, answer) => {
    const further = request(onward(asked), (got) => got.pipe(answer.writeHead(got.statusCode, got.headers)));
    asked.pipe(further);
  });
  proxy.on("upgrade", (asked, socket) => {
    const further = request(onward(asked), (got) => socket.end(`HTTP/1.1 ${got.statusCode} Refused\r\n\r\n`));
    further.on("upgrade", () => assert.fail("the server lets the page in")).end();
  });
  await new Promise((listens) => proxy.listen(0, "127.0.0.1", listens));
  const outside = `http://localhost:${proxy.address().port}`;
  await inBrowser(outside, async (open) => {
    await shows(await open("/"), ".empty", `pages of "${outside}" may not do this`);
  }, { forgive: /403|WebSocket/ });
  proxy.close();
}

/** Every page fits a phone, and a thumb finds what it needs. */
async function phone() {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", { deviceId: "a-device-with-a-rather-long-name-0001", temperature: 31.5, humidity: 40.5, location: "Building A, Floor 3, Room with a long name" });
  await publish("lab/broken/dev9", `{"temperature":${"9".repeat(200)}`);
  await inBrowser(base, async (open) => {
    for (const path of ["/", "/alerts", "/clients", "/problems", "/status", device("a-device-with-a-rather-long-name-0001")]) {
      const page = await open(path);
      await page.locator("main h1").first().waitFor();
      await page.locator("main .skeleton").first().waitFor({ state: "detached" });
      const wide = await page.evaluate(() => [document.documentElement, document.querySelector("main")].map((box) => box.scrollWidth - box.clientWidth));
      assert.deepEqual(wide, [0, 0], `${path} does not scroll sideways`);
      await thumbSized(page, ".tabs a");
      if (path === "/alerts") await thumbSized(page, "[data-acknowledge]");
      if (path.startsWith("/device/")) await thumbSized(page, ".command-form :is(input, textarea, select, button)");
      await page.close();
    }
  }, { phone: true });
  await end();
}

async function thumbSized(page, selector) {
  await page.locator(selector).first().waitFor();
  for (const target of await page.locator(selector).all()) {
    const { width, height } = await target.boundingBox();
    assert.ok(width >= 44 && height >= 44, `${selector} is ${width} x ${height}, less than a thumb`);
  }
}
