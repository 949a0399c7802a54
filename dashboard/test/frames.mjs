// Frame times of the fleet page while updates arrive: node test/frames.mjs BASE_URL
import { chromium } from "playwright-core";

const base = process.argv[2];
if (!base) {
  console.error("usage: node test/frames.mjs BASE_URL");
  process.exit(2);
}
const MEASURE_MS = 10_000;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(base);
  await page.waitForSelector("canvas.cells", { timeout: 30_000 });
  await page.waitForTimeout(3000);
  const frames = await page.evaluate((duration_ms) => new Promise((resolve) => {
    const times = [];
    const tick = (time) => (times.push(time), time - times[0] < duration_ms ? requestAnimationFrame(tick) : resolve(times));
    requestAnimationFrame(tick);
  }), MEASURE_MS);
  const steps = frames.slice(1).map((time, i) => time - frames[i]).sort((a, b) => a - b);
  const at = (share) => Number(steps[Math.min(steps.length - 1, Math.floor(share * steps.length))].toFixed(1));
  const cells = await page.evaluate(async () => (await (await fetch("/v1/stats")).json()).devices);
  console.log(JSON.stringify({ frames: steps.length, p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(1), devices: cells }));
} finally {
  await browser.close();
}
