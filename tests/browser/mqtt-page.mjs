// A page in a real browser publishes over WebSocket with MQTT.js; the page comes from another port of this machine.
// Usage: mqtt-page.mjs WS_URL TOPIC PAYLOAD; writes what became of it.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { inBrowser } from "./page.mjs";

const [url, topic, payload] = process.argv.slice(2);
const script = new URL("node_modules/mqtt/dist/mqtt.min.js", import.meta.url);
const pages = createServer((request, response) => {
  if (request.url === "/mqtt.js") return void createReadStream(script).pipe(response.setHeader("content-type", "text/javascript"));
  response.setHeader("content-type", "text/html").end('<!doctype html><link rel="icon" href="data:,"><script src="/mqtt.js"></script>');
});
await new Promise((ready) => pages.listen(0, "127.0.0.1", ready));
try {
  await inBrowser(`http://127.0.0.1:${pages.address().port}/`, async (open) => {
    const page = await open("/");
    const published = await page.evaluate(async ([url, topic, payload]) => {
      const client = await window.mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 10_000 });
      await client.publishAsync(topic, payload, { qos: 1 });
      await client.endAsync();
      return "published";
    }, [url, topic, payload]);
    console.log(published);
  });
} finally {
  pages.close();
}
