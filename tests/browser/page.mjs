// A page of the dashboard in a real browser, that must not complain, and a publisher beside it.
import assert from "node:assert/strict";
import mqtt from "mqtt";
import { chromium } from "playwright-core";

/** Longest wait for anything: a slow machine is no failure. */
export const PATIENCE_MS = 30_000;
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const WIDE = { viewport: { width: 1440, height: 900 } };

/** Runs `test` with a way to open pages; fails when one of them logged an error or broke the page's policy. */
export async function inBrowser(base, test, { phone = false, forgive = /^$/ } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  const complaints = [];
  try {
    const context = await browser.newContext(phone ? PHONE : WIDE);
    context.setDefaultTimeout(PATIENCE_MS);
    const open = async (path) => {
      const page = await context.newPage();
      page.on("console", (message) => message.type() === "error" && complaints.push(`${path}: ${message.text()}`));
      page.on("pageerror", (error) => complaints.push(`${path}: ${error.message}`));
      await page.goto(new URL(path, base).href);
      return page;
    };
    await test(open);
  } finally {
    await browser.close();
  }
  assert.deepEqual(complaints.filter((complaint) => !forgive.test(complaint)), [], "no page logs an error or breaks its Content-Security-Policy");
}

/** Publishes with QoS 1; resolves when the server has acknowledged, which is when it is on disk. */
export async function publisher(address) {
  const client = await mqtt.connectAsync(`mqtt://${address}`, { connectTimeout: PATIENCE_MS });
  return {
    publish: (topic, payload) => client.publishAsync(topic, typeof payload === "string" ? payload : JSON.stringify(payload), { qos: 1 }),
    end: () => client.endAsync(),
  };
}

/** Waits until the element's text fits. */
export async function shows(page, selector, text) {
  const wanted = page.locator(selector).filter({ hasText: text }).first();
  await wanted.waitFor().catch(async (error) => {
    throw new Error(`${selector} never shows ${text}; the page shows: ${await page.locator("body").innerText()}`, { cause: error });
  });
  return wanted;
}

/** The test that drives this script reads these lines. */
export const say = (word) => console.log(word);
