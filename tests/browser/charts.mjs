// What the charts promise beyond one line: other devices, a week before, other days, fingers.
import assert from "node:assert/strict";
import { inBrowser, publisher, shows } from "./page.mjs";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Ten minutes that ended `ago_ms` before now, at one value. */
const tenMinutes = (deviceId, temperature, ago_ms) =>
  Array.from({ length: 60 }, (_, i) => ({ deviceId, temperature, timestamp: Date.now() - ago_ms - (60 - i) * 10_000 }));

/** Two devices and their week before are in one chart, and whoever opens the address sees the same. */
export async function compare({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  const week_ms = Date.now() - new Date().setDate(new Date().getDate() - 7);
  for (const [device, value, ago_ms] of [["dev1", 20, 0], ["dev2", 22, 0], ["dev1", 17, week_ms], ["dev2", 18, week_ms]]) await publish("lab/data", tenMinutes(device, value, ago_ms));
  await inBrowser(base, async (open) => {
    const page = await open("/device/dev1");
    await page.getByLabel("Compare with a device").fill("dev2");
    await shows(page, "[role=option]", "dev2");
    await page.keyboard.press("Enter");
    await page.waitForURL(/with=dev2/);
    await page.getByRole("button", { name: "Week before" }).click();
    await page.waitForURL(/before=week/);
    const shared = await open(new URL(page.url()).pathname + new URL(page.url()).search);
    for (const one of [page, shared]) {
      await pointAt(one, 0.6);
      await shows(one, ".lines li:nth-child(1)", /dev1\s*20\.0\s*17\.0/);
      await shows(one, ".lines li:nth-child(2)", /dev2\s*22\.0\s*18\.0/);
    }
    await page.getByRole("button", { name: "Take dev2 out" }).click();
    await page.waitForURL((url) => !url.searchParams.has("with"));
    assert.equal(await page.locator(".lines li").count(), 1);
  });
  await end();
}

/** Yesterday, any day, one window back and forth, and back by the browser's own way. */
export async function days({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", tenMinutes("dev1", 20, 0));
  await inBrowser(base, async (open) => {
    const page = await open("/device/dev1?window=1h");
    const stretch = () => ["from", "to"].map((name) => Number(new URL(page.url()).searchParams.get(name)));
    const midnight = (days) => page.evaluate((back) => {
      const date = new Date(new Date().setHours(0, 0, 0, 0));
      return date.setDate(date.getDate() - back);
    }, days);
    await page.getByRole("button", { name: "One window later" }).waitFor();
    assert.ok(await page.getByRole("button", { name: "One window later" }).isDisabled(), "there is nothing after the present");
    await page.getByRole("button", { name: "One window earlier" }).click();
    await page.waitForURL(/from=/);
    assert.equal(stretch()[1] - stretch()[0], HOUR_MS);
    await page.getByRole("button", { name: "One window later" }).click();
    await page.waitForURL((url) => !url.searchParams.has("from") && url.searchParams.get("window") === "1h");
    await page.getByRole("button", { name: "Yesterday" }).click();
    await page.waitForURL(/from=/);
    assert.deepEqual(stretch(), [await midnight(1), await midnight(0)]);
    await page.getByRole("button", { name: "One window earlier" }).click();
    await page.waitForFunction((from) => new URL(location).searchParams.get("from") === String(from), await midnight(2));
    assert.deepEqual(stretch(), [await midnight(2), await midnight(1)]);
    await page.getByLabel("Day", { exact: true }).fill("2026-03-07");
    await page.waitForFunction(() => new URL(location).searchParams.get("from") === String(new Date(2026, 2, 7).getTime()));
    await shows(page, ".box", "No value in this window");
    await page.goBack();
    await page.waitForFunction((from) => new URL(location).searchParams.get("from") === String(from), await midnight(2));
    await page.locator("h1").click();
    await page.keyboard.press("+");
    await page.waitForFunction(() => new URL(location).searchParams.get("to") - new URL(location).searchParams.get("from") === 43_200_000);
    await page.getByRole("button", { name: "Zoom out" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => new URL(location).searchParams.get("to") - new URL(location).searchParams.get("from") === 86_400_000);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.waitForURL((url) => !url.searchParams.has("from"));
    await page.keyboard.press("-");
    await page.waitForURL((url) => url.searchParams.get("window") === "6h");
  });
  await end();
}

/** One finger moves a chart, two stretch it. */
export async function fingers({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", tenMinutes("dev1", 20, 0));
  await inBrowser(base, async (open) => {
    const page = await open("/device/dev1?window=1h");
    await page.locator(".u-over").waitFor();
    await page.locator(".u-over").scrollIntoViewIfNeeded();
    const span = () => page.evaluate(() => Number(new URL(location).searchParams.get("to")) - Number(new URL(location).searchParams.get("from")));
    await swipe(page, [[0.2], [0.4], [0.7]]);
    await page.waitForURL(/from=/);
    assert.ok(Math.abs((await span()) - HOUR_MS) < 1000, "one finger moves the chart and changes no width");
    const end_ms = await page.evaluate(() => Number(new URL(location).searchParams.get("to")) - Date.now());
    assert.ok(Math.abs(end_ms + HOUR_MS / 2) < 5 * MINUTE_MS, `half a chart to the right is half an hour back, not ${end_ms} ms`);
    const before = page.url();
    await swipe(page, [[0.4, 0.6], [0.3, 0.7], [0.1, 0.9]]);
    await page.waitForURL((url) => url.href !== before);
    assert.ok(Math.abs((await span()) - HOUR_MS / 4) < MINUTE_MS, `four times as far apart is a quarter of the time, not ${await span()} ms`);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.waitForURL((url) => !url.searchParams.has("from"));
  }, { phone: true });
  await end();
}

/** Fingers at shares of the chart's width, from place to place. */
async function swipe(page, steps) {
  const { x, y, width, height } = await page.locator(".u-over").boundingBox();
  const inspector = await page.context().newCDPSession(page);
  const touch = (type, shares) => inspector.send("Input.dispatchTouchEvent", { type, touchPoints: shares.map((share, id) => ({ x: x + width * share, y: y + height / 2, id })) });
  const [first, ...others] = steps;
  await touch("touchStart", first);
  for (const shares of others) await touch("touchMove", shares);
  await touch("touchEnd", []);
}

/** The mouse at a share of the chart's width. */
async function pointAt(page, share) {
  const over = page.locator(".u-over");
  await over.waitFor();
  const { width, height } = await over.boundingBox();
  await over.hover({ position: { x: width * share, y: height / 2 } });
}
