// What figures say on the pages, in Chromium against a running server: figures.mjs HTTP MQTT
import assert from "node:assert/strict";
import { inBrowser, publisher, shows } from "./page.mjs";

const [http, mqtt] = process.argv.slice(2);
const base = `http://${http}`;
const MINUTE_MS = 60_000;
const { publish, end } = await publisher(mqtt);
const DEEP = "l1/l2/l3/l4/l5/l6/l7/l8/l9";

await publish(`${DEEP}/dev/temperature`, "20.5");
for (const [device, temperature] of [["own", 20], ["floor/x", 21], ["floor/y", 29.2]]) await publish(`site/${device}/temperature`, String(temperature));
await publish("home/zigbee", { deviceId: "zigbee", temperature: 21.5, voltage: 2965 });
const start = Date.now() - 14 * MINUTE_MS;
for (const [minute, open] of [[1, true], [3, false], [5, true], [10, false]]) await publish("hall/doors", { deviceId: "door", open, timestamp: start + minute * MINUTE_MS });

await inBrowser(base, async (open) => {
  const fleet = await open("/?metric=temperature");
  await shows(fleet, `.floor[data-path="site/floor"] .aggregate`, /25\.1[\s\S]*21\.0 to 29\.2/);
  await shows(fleet, `.floor[data-path="site"] .aggregate`, /20\.0[\s\S]*20\.0 to 20\.0[\s\S]*1 of 1/);
  await fleet.goto(`${base}/?metric=state`);
  await shows(fleet, `.floor[data-path="site"] .aggregate`, /1 of 1/);
  await shows(fleet, `.floor[data-path="site/floor"] .aggregate`, /2 of 2/);
  await fleet.goto(`${base}/?metric=temperature`);
  await fleet.locator(`.floor[data-path="${DEEP}"]`).scrollIntoViewIfNeeded();
  await fleet.locator(`.floor[data-path="${DEEP}"] canvas.cells[data-cells="1"]`).waitFor();
  await fleet.locator(`.floor[data-path="site/floor"] .aggregate a`, { hasText: "29.2" }).click();
  await shows(fleet, "h1", "y");
  await fleet.goto(`${base}/?metric=temperature`);
  await shows(fleet, ".aggregate .guess", "°C");
  await shows(fleet, ".legend .guess", "°C");
  const guess = fleet.locator(".aggregate .guess").first();
  assert.match(await guess.getAttribute("title"), /Guessed from the name/, "a unit that nobody said is marked on the fleet too");
  const group = await open("/fleet/site");
  await shows(group, ".figures", "devices");
  assert.deepEqual(await group.locator(".section > h2").evaluateAll((heads) => heads.map((head) => head.firstChild.textContent.trim())), ["Devices of its own", "Groups in it"]);
  assert.doesNotMatch(await group.locator(".figures").innerText(), /second/, "the rate is of the whole program");

  const zigbee = await open("/device/zigbee");
  await shows(zigbee, ".metric .value .guess", "°C");
  await shows(zigbee, ".metric", /Voltage[\s\S]*2.965$/);

  const door = await open("/device/door");
  await shows(door, ".box", /On 2 times, 7 min in all/);
  assert.equal(await door.locator(".periods tbody tr").count(), 2);
  await publish("hall/doors", { deviceId: "door", open: true, timestamp: Date.now() });
  await shows(door, ".periods tbody tr:first-child", "still on");
  const csv = async (label) => door.evaluate(async (href) => (await fetch(href)).text(), await door.locator(`.box:has-text("${label}") a[download]`).first().getAttribute("href"));
  assert.match(await csv("On 3 times"), /^start,end,duration_s\r\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d,/);
  assert.match(await csv("drag to zoom"), /^time,value\r\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d,true\r\n/);

  const alerts = await open("/alerts");
  for (const temperature of ["31.5", "47.0", "33.0"]) await publish("lab/oven/temperature", temperature);
  await shows(alerts, ".alerts .value", /31\.5[\s\S]*peak 47\.0/);
  await alerts.locator(`.act button[title="Acknowledge with a comment"]`).click();
  await alerts.locator(".comment input").fill("the door was open");
  await alerts.keyboard.press("Enter");
  await shows(alerts, ".alerts .act", /anonymous, [\s\S]*the door was open/);
  await alerts.locator(".act button", { hasText: "Undo" }).click();
  await shows(alerts, ".alerts .act", /given back by anonymous/);
  await publish("lab/oven/temperature", "20.0");
  await alerts.locator(".segments button", { hasText: "Recent" }).click();
  await shows(alerts, ".alerts .value", /47\.0[\s\S]*cleared at 20\.0/);

  await publish("yard/gate/temperature", "10.0");
  await publish("yard/shed/kiln/temperature", "45.0");
  await fleet.goto(`${base}/?metric=temperature`);
  await shows(fleet, `.floor[data-path="yard/shed"] .mark`, "1");
  assert.equal(await fleet.locator(`.floor[data-path="yard"] .mark`).count(), 0, "the device in alert is in a group below it");
});
await end();
