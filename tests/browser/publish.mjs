// Publishes one value with MQTT.js in each MQTT version and QoS, and waits until each is acknowledged.
// Usage: publish.mjs URL PREFIX
import mqtt from "mqtt";

const [url, prefix] = process.argv.slice(2);
for (const protocolVersion of [4, 5]) {
  const client = await mqtt.connectAsync(url, { protocolVersion, clientId: `${prefix}-${protocolVersion}`, connectTimeout: 10_000 });
  for (const qos of [0, 1, 2]) {
    await client.publishAsync(`site/a/f1/${prefix}-${protocolVersion}-${qos}/temperature`, "23.5", { qos });
  }
  await client.endAsync();
}
