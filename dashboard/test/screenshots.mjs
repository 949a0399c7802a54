// Pictures of every page and of the commands of a device, light and dark, wide and phone: node test/screenshots.mjs BASE_URL OUT_DIR
// Fails when a page logs an error or breaks its own Content-Security-Policy.
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const [base, out] = process.argv.slice(2);
if (!base || !out) {
  console.error("usage: node test/screenshots.mjs BASE_URL OUT_DIR");
  process.exit(2);
}
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const SETTLE_MS = 2500;

await mkdir(out, { recursive: true });
const { devices = [] } = await (await fetch(new URL("/v1/devices?limit=1", base))).json();
const { alerts = [] } = await (await fetch(new URL("/v1/alerts", base))).json().catch(() => ({}));
const device = alerts[0]?.device ?? devices[0]?.id;
const ofDevice = device && `/device/${device.split("/").map(encodeURIComponent).join("/")}`;
const pages = {
  fleet: "/",
  alerts: "/alerts",
  rules: "/alerts?show=rules",
  clients: "/clients",
  problems: "/problems",
  status: "/status",
  ...(device ? { device: ofDevice, commands: ofDevice } : {}),
};
/** Parts that are pictures of their own. */
const PARTS = { commands: ".commands" };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
const complaints = [];
try {
  for (const [size, viewport] of Object.entries(SIZES))
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport, colorScheme, hasTouch: size === "phone" });
      for (const [name, path] of Object.entries(pages)) {
        const page = await context.newPage();
        page.on("console", (message) => message.type() === "error" && complaints.push(`${path}: ${message.text()}`));
        page.on("pageerror", (error) => complaints.push(`${path}: ${error.message}`));
        await page.goto(new URL(path, base).href);
        await page.waitForTimeout(SETTLE_MS);
        if (PARTS[name]) await page.locator(PARTS[name]).evaluate((part) => part.scrollIntoView({ block: "start" }));
        await page.screenshot({ path: `${out}/${name}-${size}-${colorScheme}.png` });
        await page.close();
      }
      await context.close();
    }
} finally {
  await browser.close();
}
for (const complaint of new Set(complaints)) console.error(complaint);
process.exit(complaints.length > 0 ? 1 : 0);
