// What the dashboard promises to whoever does not use a mouse, or does not see the screen.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { inBrowser, publisher, shows } from "./page.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["/", "/?show=table", "/alerts", "/alerts?show=recent", "/alerts?show=rules", "/clients", "/problems", "/status", "/device/dev1?before=week&with=dev2", "/device/dev1?metric=mode", "/fleet/nowhere"];

/** axe-core finds nothing serious on any page, in light, in dark and on a phone. */
export async function accessible({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (const device of ["dev1", "dev2"]) await publish("lab/data", { deviceId: device, temperature: device === "dev1" ? 31.5 : 20, door_open: true, mode: "idle", location: "Building A, Floor 1" });
  await publish("lab/broken/dev9", '{"temperature":');
  const found = [];
  for (const [colorScheme, phone] of [["light", false], ["dark", false], ["light", true]])
    await inBrowser(base, async (open) => {
      for (const path of PAGES) {
        const page = await open(path);
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.locator("main h1, main h2").first().waitFor();
        await page.locator("main .skeleton").first().waitFor({ state: "detached" });
        if (path === "/" && !phone) await page.locator("canvas.cells").first().click({ position: { x: 5, y: 5 } });
        if (path === "/alerts" && !phone) await page.keyboard.press("?");
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        for (const { id, impact, nodes } of violations) if (["serious", "critical"].includes(impact)) found.push(`${path} ${colorScheme}${phone ? " phone" : ""}: ${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
        await page.close();
      }
    }, { phone });
  assert.deepEqual(found, []);
  await end();
}

/** Help keeps the focus, a panel takes it, both give it back; the groups and the cells are a stop each. */
export async function focus({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  for (let floor = 1; floor <= 12; floor++) for (const number of [1, 2]) await publish(`site/a/f${floor}/dev${floor}-${number}/temperature`, "21.5");
  await inBrowser(base, async (open) => {
    const page = await open("/");
    await page.locator("canvas.cells").nth(3).waitFor();
    const at = () => page.evaluate(() => document.activeElement?.closest("dialog, .panel, canvas, .find, nav, .node")?.tagName + ":" + (document.activeElement?.textContent ?? "").slice(0, 20));
    const inside = (selector) => page.evaluate((wanted) => document.querySelector(wanted)?.contains(document.activeElement) ?? false, selector);

    const stops = [];
    for (let tabs = 0; tabs < 40 && !stops.at(-1)?.startsWith("CANVAS"); tabs++) {
      await page.keyboard.press("Tab");
      stops.push(await at());
    }
    assert.ok(stops.at(-1).startsWith("CANVAS") && stops.length <= 25, `the first cell is ${stops.length} tabs away: ${stops.join(", ")}`);
    assert.equal(stops.filter((stop) => /f\d+/.test(stop) && stop.startsWith("NAV")).length, 0, "the tree of groups is one stop");
    await page.keyboard.press("ArrowRight");
    await shows(page, ".tip", "dev1-2");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => document.activeElement.getAttribute("aria-label")?.includes("f2"));
    await page.keyboard.press("Enter");
    await page.locator(".panel").waitFor();
    assert.ok(await inside(".panel"), "the panel takes the focus");
    await page.keyboard.press("?");
    await page.locator("dialog").waitFor();
    for (let tabs = 0; tabs < 4; tabs++) {
      await page.keyboard.press("Tab");
      assert.ok(await page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)), "nothing behind the help takes the focus");
    }
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.ok(await inside(".panel"), "Escape closes the help alone, and the focus is where it was");
    await page.keyboard.press("Escape");
    await page.locator(".panel").waitFor({ state: "detached" });
    assert.match(await at(), /^CANVAS/, "the cells have the focus back");
    await page.keyboard.press("Enter");
    await page.locator(".panel").waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/device\//);
  });
  await end();
}

/** A cell is read out when one goes there; what it says later is seen, not heard. */
export async function quiet({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  const say = (value) => publish("site/a/f1/dev1/temperature", String(value));
  await say(20);
  await inBrowser(base, async (open) => {
    const page = await open("/");
    await page.locator("canvas.cells").focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(500);
    await page.evaluate(() => {
      window.spoken = [];
      const regions = "[role=status], [role=alert], [role=log], [aria-live]";
      new MutationObserver((changes) => {
        for (const { target } of changes) {
          const region = (target.nodeType === 1 ? target : target.parentElement)?.closest(regions);
          if (region) window.spoken.push(region.textContent);
        }
      }).observe(document.body, { childList: true, characterData: true, subtree: true });
    });
    for (let second = 1; second <= 6; second++) {
      await say(20 + second);
      await page.waitForTimeout(1000);
    }
    const spoken = await page.evaluate(() => window.spoken);
    assert.ok(spoken.length <= 1, `in six seconds one heard: ${spoken.join("; ")}`);
    await shows(page, ".unseen[role=status]", /dev1/);
  });
  await end();
}
