// What people say of a device on its page: by keyboard and under a thumb.
import assert from "node:assert/strict";
import { inBrowser, publisher, shows } from "./page.mjs";

const DEVICE = "/device/site/a/f1/dev1";

/** Named, placed and labelled without a mouse; what is wrong is said; undone by a press. */
export async function named({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (const name of ["dev1", "dev2"]) await publish(`site/a/f1/${name}`, { temperature: 21.5, door: true });
  await inBrowser(base, async (open) => {
    const fleet = await open("/?show=table");
    await shows(fleet, ".devices td.who", "dev1");
    const page = await open(DEVICE);
    await shows(page, "h1", "dev1");
    await page.getByRole("button", { name: "Edit" }).focus();
    await page.keyboard.press("Enter");
    await shows(page, "dialog.edit h2", "dev1");
    assert.equal(await page.evaluate(() => document.activeElement?.closest("label")?.textContent), "Name", "the first field has the focus");
    await page.keyboard.type("Cellar window");
    await page.keyboard.press("Tab");
    await page.keyboard.type("House/Cellar");
    await page.keyboard.press("Tab");
    await page.keyboard.type("floor");
    await page.keyboard.press("Tab");
    await page.keyboard.type("10 min");
    await page.keyboard.press("Enter");
    await shows(page, "dialog.edit [role=alert]", "key=value");
    await page.getByLabel("Labels").fill("floor=-1");
    await page.getByLabel("Expected").fill("soon");
    await page.keyboard.press("Enter");
    await shows(page, "dialog.edit [role=alert]", "10 min");
    await page.getByLabel("Expected").fill("10 min");
    await page.keyboard.press("Enter");
    await page.locator("dialog.edit").waitFor({ state: "detached" });
    await shows(page, "h1", "Cellar window");
    await shows(page, ".facts", /every 10 min, expected/);
    await shows(page, ".facts dt", "floor");
    await shows(page, ".facts .said-by", "Changed by anonymous");
    await shows(page, ".head a", /House · Cellar/);
    await shows(fleet, ".devices td.who", "Cellar window");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Edit", "the focus is where it was");

    await page.keyboard.press("/");
    await page.keyboard.type("cellar");
    await shows(page, ".hits [role=option][aria-selected=true]", "Cellar window");
    await page.locator("#find").fill("");

    await page.getByRole("button", { name: "Edit" }).click();
    await page.keyboard.type(" is not kept");
    await page.keyboard.press("Escape");
    await page.locator("dialog.edit").waitFor({ state: "detached" });
    await shows(page, "h1", /^Cellar window$/);
    await page.getByRole("button", { name: "Undo" }).click();
    await shows(page, "h1", "dev1");
    await shows(fleet, ".devices td.who", "dev1");
  });
  await end();
}

/** A hidden device goes from the fleet and is found by its name; all of it under a thumb. */
export async function namedByThumb({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (const name of ["dev1", "dev2"]) await publish(`site/a/f1/${name}`, { temperature: 21.5 });
  await inBrowser(base, async (open) => {
    const page = await open(DEVICE);
    await page.getByRole("button", { name: "Edit" }).tap();
    await page.getByLabel("Name", { exact: true }).fill("Kellerfenster an der Südwand neben der Treppe zum Garten");
    await page.getByLabel("Hidden").check();
    const wide = await page.evaluate(() => document.querySelector("dialog.edit").scrollWidth - document.querySelector("dialog.edit").clientWidth);
    assert.ok(wide <= 0, "nothing of it lies beside the screen");
    const button = await page.getByRole("button", { name: "Save" }).boundingBox();
    assert.ok(button.height >= 44, "a thumb finds it");
    await page.getByRole("button", { name: "Save" }).tap();
    await shows(page, ".chip", "hidden");
    const fleet = await open("/");
    await shows(fleet, ".head", "1 device");
    await fleet.locator("#find").fill("treppe");
    await shows(fleet, ".hits [role=option]", "hidden");
  }, { phone: true });
  await end();
}
