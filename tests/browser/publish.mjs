// Publishes one value with MQTT.js in each MQTT version and QoS, and waits until each is acknowledged.
// Usage: publish.mjs URL PREFIX [CA]
import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const [url, prefix, file] = process.argv.slice(2);
const ca = file && readFileSync(file);
for (const protocolVersion of [4, 5]) {
  const clientId = `${prefix}-${protocolVersion}`;
  const client = await mqtt.connectAsync(url, { protocolVersion, clientId, connectTimeout: 10_000, ca, wsOptions: { ca } });
  for (const qos of [0, 1, 2]) {
    await client.publishAsync(`site/a/f1/${prefix}-${protocolVersion}-${qos}/temperature`, "23.5", { qos });
  }
  await client.endAsync();
}
