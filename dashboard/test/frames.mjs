// Frame times and memory of the fleet page while updates arrive: node test/frames.mjs BASE_URL [SECONDS]
import { chromium } from "playwright-core";

const [base, seconds = "10"] = process.argv.slice(2);
if (!base) {
  console.error("usage: node test/frames.mjs BASE_URL [SECONDS]");
  process.exit(2);
}
const SETTLE_MS = 5000;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(base);
  await page.waitForSelector("canvas.cells", { timeout: 30_000 });
  await page.waitForTimeout(SETTLE_MS);
  const inspector = await page.context().newCDPSession(page);
  const heap = async () => {
    await inspector.send("HeapProfiler.collectGarbage");
    return (await inspector.send("Runtime.getHeapUsage")).usedSize;
  };
  const before = await heap();
  const frames = await page.evaluate(
    (duration_ms) =>
      new Promise((resolve) => {
        const times = [];
        const tick = (time) => (times.push(time), time - times[0] < duration_ms ? requestAnimationFrame(tick) : resolve(times));
        requestAnimationFrame(tick);
      }),
    Number(seconds) * 1000,
  );
  const after = await heap();
  const steps = frames
    .slice(1)
    .map((time, i) => time - frames[i])
    .sort((a, b) => a - b);
  const at = (share) => Number(steps[Math.min(steps.length - 1, Math.floor(share * steps.length))].toFixed(1));
  const cells = await page.evaluate(() => {
    const counts = [...document.querySelectorAll("canvas.cells")].map((canvas) => [
      canvas.getBoundingClientRect(),
      Number(canvas.dataset.cells),
    ]);
    const onScreen = counts.filter(([box]) => box.top < innerHeight && box.bottom > 0);
    const sum = (list) => list.reduce((total, [, count]) => total + count, 0);
    return { subscribed: sum(counts), on_screen: sum(onScreen) };
  });
  const mb = (bytes) => Number((bytes / 1e6).toFixed(2));
  console.log(
    JSON.stringify({
      seconds: Number(seconds),
      frames: steps.length,
      p50_ms: at(0.5),
      p95_ms: at(0.95),
      p99_ms: at(0.99),
      max_ms: at(1),
      cells,
      heap_mb: { before: mb(before), after: mb(after) },
    }),
  );
} finally {
  await browser.close();
}
