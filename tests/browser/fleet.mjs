// What the fleet's page promises: who is in alert, where, and any device by name or by value.
import assert from "node:assert/strict";
import { inBrowser, PATIENCE_MS, publisher, shows } from "./page.mjs";

/** How many are in alert is a number, a mark on their groups, and all that is shown when one asks for it. */
export async function inAlert({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (const floor of ["f1", "f2", "f3"]) for (const number of [1, 2, 3]) await publish(`site/a/${floor}/dev${floor}${number}/temperature`, floor === "f2" && number < 3 ? "31.5" : "21.5");
  await inBrowser(base, async (open) => {
    const page = await open("/");
    await shows(page, ".figure", /2\s*in alert/);
    await shows(page, ".side .node", /f2\s*2/);
    await shows(page, ".floor .name", /f2\s*2/);
    assert.equal(await page.locator(".floor").count(), 3);
    await page.getByRole("button", { name: /in alert/ }).click();
    await page.waitForURL(/state=alert/);
    await page.waitForFunction(() => document.querySelectorAll(".floor").length === 1, null, { timeout: PATIENCE_MS });
    await page.getByRole("button", { name: "Table" }).click();
    await page.waitForURL(/show=table/);
    await shows(page, ".devices tbody tr", /devf21.*critical/s);
    assert.equal(await page.locator(".devices tbody tr").count(), 2, "only those in alert are rows");
  });
  await end();
}

/** Devices as a table, in the order that one asks for, by its address. */
export async function table({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (const [name, value] of [["dev1", 24], ["dev2", 9], ["dev10", 31.5]]) await publish(`site/a/f1/${name}/temperature`, String(value));
  await inBrowser(base, async (open) => {
    const page = await open("/?show=table");
    const names = (target) => target.locator(".devices tbody .who").allInnerTexts();
    const ordered = async (target, wanted) => {
      await target.waitForFunction((list) => [...document.querySelectorAll(".devices tbody .who")].map((cell) => cell.textContent).join() === list, wanted.join(), { timeout: PATIENCE_MS })
        .catch(async () => assert.fail(`rows are ${await names(target)}, not ${wanted}`));
    };
    await ordered(page, ["dev1", "dev2", "dev10"]);
    await page.getByRole("button", { name: "Temperature" }).last().click();
    await page.waitForURL(/sort=-value/);
    await ordered(page, ["dev10", "dev1", "dev2"]);
    assert.equal(await page.locator("th[aria-sort=descending]").innerText(), "Temperature ↓");
    await shows(page, ".devices tbody tr", /dev10.*fresh.*critical.*site · a · f1.*31\.5/s);
    await page.mouse.move(0, 0);
    await publish("site/a/f1/dev2/temperature", "99");
    await ordered(page, ["dev2", "dev10", "dev1"]);
    // Its temperature is as old as it was, and it is heard all the same.
    await publish("site/a/f1/dev1/humidity", "40");
    await page.goto(`${base}/?show=table&metric=humidity&sort=-heard`);
    await ordered(page, ["dev1", "dev2", "dev10"]);
    await shows(page, ".devices tbody tr", /dev2.*–.*\d+ s ago|dev2.*–.*now/s);
    await page.goto(`${base}/?show=table&metric=temperature&sort=-value`);
    await ordered(page, ["dev2", "dev10", "dev1"]);
    const shared = await open(new URL(page.url()).pathname + new URL(page.url()).search);
    await ordered(shared, ["dev2", "dev10", "dev1"]);
  });
  await end();
}

/** What is heard and too old for history is marked wherever the device is. */
export async function unkept({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", { deviceId: "old1", temperature: 21.5, timestamp: Date.UTC(2019, 0, 1) });
  await publish("lab/data", { deviceId: "new1", temperature: 22.5 });
  await inBrowser(base, async (open) => {
    const table = await open("/?show=table");
    await shows(table, ".devices tbody tr", /old1.*fresh.*not in history/s);
    assert.doesNotMatch(await table.locator(".devices tbody tr", { hasText: "new1" }).innerText(), /history/);
    await table.getByRole("button", { name: "Cells" }).click();
    await table.getByLabel("Filter by name").fill("old1");
    await shows(table, ".tip", /old1.*fresh, not in history/s);
    await shows(await open("/device/old1"), ".not-kept", "Not in history");
  });
  await end();
}

/** What is filtered by name comes into sight, one match after the other. */
export async function filter({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  const far = [5, 25].map((floor) => `site/a/floor${floor}/needle${floor}`);
  for (let floor = 1; floor <= 30; floor++) await publish(`site/a/floor${floor}/dev${floor}/temperature`, "21.5");
  for (const device of far) await publish(`${device}/temperature`, "22.5");
  await inBrowser(base, async (open) => {
    const page = await open("/");
    await shows(page, ".head", "32 devices");
    const isSeen = (path) => page.waitForFunction((wanted) => {
      const box = document.querySelector(`.floor[data-path="${wanted}"]`)?.getBoundingClientRect();
      return box && box.top > 0 && box.bottom < innerHeight;
    }, path, { timeout: PATIENCE_MS });
    await page.getByLabel("Filter by name").fill("needle");
    await shows(page, ".named", "1 of 2");
    await isSeen("site/a/floor5");
    await shows(page, ".tip", "needle5");
    await page.getByLabel("Filter by name").press("Enter");
    await shows(page, ".named", "2 of 2");
    await isSeen("site/a/floor25");
    await shows(page, ".tip", "needle25");
    await page.getByLabel("Filter by name").fill("haystack");
    await shows(page, ".named", "no match");
  });
  await end();
}
