// Sends commands to the device of the pictures, so that each state is there to be seen: commands.mjs MQTT_URL HTTP_URL
// It ends as a device that sleeps, with one command waiting.
import mqtt from "mqtt";

const [url, base] = process.argv.slice(2);
const PATIENCE_MS = 30_000;
const ask = async (path, init) => (await fetch(new URL(path, base), init)).json();
const { alerts } = await ask("/v1/alerts");
const { devices } = await ask("/v1/devices?limit=1");
const device = alerts[0]?.device ?? devices[0].id;
const path = `/v1/devices/${device.split("/").map(encodeURIComponent).join("/")}/commands`;

// The simulated device is connected under its own name.
const session = { clientId: `${device}-valve`, protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 86_400 }, reconnectPeriod: 0 };
const client = await mqtt.connectAsync(url, session);
const { topic } = (await ask(path)).defaults;
client.on("message", (_topic, payload, { properties }) => {
  if (payload.toString().includes("valve")) client.publish(properties.responseTopic, '{"valve":"open","took_ms":980}', { properties: { correlationData: properties.correlationData } });
});
await client.subscribeAsync(topic, { qos: 2 });
await become({ payload: { text: "report" }, topic: "nobody/listens" }, "refused");
await become({ payload: { text: "report" }, qos: 2 }, "delivered");
await become({ payload: { json: { valve: "open", until: { pressure: 2.4 } } } }, "answered");
await client.endAsync();
await become({ payload: { text: "blink" }, expires_in_s: 1 }, "expired");
await become({ payload: { json: { interval_s: 60 } }, qos: 2 }, "accepted");

/** Sends one and waits until it has got that far. */
async function become(body, state) {
  const { id } = await ask(path, { method: "POST", body: JSON.stringify({ by: "Ann", ...body }) });
  for (const end = Date.now() + PATIENCE_MS; (await ask(`/v1/commands/${id}`)).state !== state; ) {
    if (Date.now() > end) throw new Error(`${id} is not ${state} in time: ${JSON.stringify(await ask(`/v1/commands/${id}`))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
