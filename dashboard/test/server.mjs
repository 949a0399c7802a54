// A stand-in for tidegate that speaks docs/protocol.md with made-up devices: node test/server.mjs [DEVICES] [PORT]
// It serves dist/ under the product's policy, so pages can be looked at and measured without the program.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { commandsOf } from "./commands.mjs";

const [count = 200, port = 8090] = process.argv.slice(2).map(Number);
const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const METRICS = [
  ["temperature", "°C", 1],
  ["humidity", "%", 1],
  ["pressure", "hPa", 1],
  ["battery", "%", 0],
];
const INTERVAL_MS = 5000;
const base = Date.now() - 3_600_000;
const floors = count > 2000 ? 12 : 6;
let position = 1;
/** A position as clients are told it. */
const told = (at) => `fake.${at}`;

const devices = Array.from({ length: count }, (_, row) => {
  const floor = Math.floor((row * floors * 2) / count);
  const luck = Math.random();
  const group = `Building ${floor < floors ? "A" : "B"}/Floor ${(floor % floors) + 1}`;
  return {
    row,
    id: `sensor_${String(row).padStart(5, "0")}`,
    group,
    state: luck < 0.004 ? "lost" : luck < 0.05 ? "asleep" : luck < 0.058 ? "late" : "fresh",
    since: Date.now() - 600_000,
    alert: null,
    time: Date.now(),
    values: [19 + (floor % floors) + Math.random() * 3, 45 + Math.random() * 8, 1013 + Math.random(), 60 + Math.random() * 40],
    at: 1,
  };
});
const alerts = devices
  .filter((_, i) => i % Math.ceil(count / 4) === 7)
  .map((device, i) => {
    device.alert = i === 0 ? "critical" : "warning";
    return {
      id: `a-${i}-0`,
      rule: "hot",
      severity: device.alert,
      device: device.id,
      group: device.group,
      metric: "temperature",
      text: "Above 21.0 °C for 30 s",
      condition: "above",
      threshold: 21,
      for_ms: 30_000,
      unit: "°C",
      state: "raised",
      value: device.values[0],
      raised_value: device.values[0],
      peak: device.values[0],
      cleared_value: null,
      raised: Date.now() - (i + 1) * 240_000,
      acknowledged: null,
      unacknowledged: null,
      cleared: null,
      duration_ms: null,
    };
  });
const commands = commandsOf(
  devices.slice(0, 8).map(({ id }) => id),
  () => position,
);
const round = (values) => values.map((value, i) => Number(value.toFixed(METRICS[i][2])));
const inGroup = (group) => devices.filter((device) => !group || device.group === group || device.group.startsWith(`${group}/`));
const counts = (list) => ["fresh", "late", "asleep", "lost"].map((state) => list.filter((device) => device.state === state).length);

function groupRows() {
  const paths = new Set(["", ...devices.flatMap(({ group }) => [group, group.split("/")[0]])]);
  return [...paths].flatMap((path) => {
    const list = inGroup(path);
    const shown = list.filter((device) => device.state === "fresh" || device.state === "asleep");
    const figures = METRICS.map(([name], column) => {
      const values = shown.map((device) => device.values[column]);
      const [lowest, highest] = [Math.min(...values), Math.max(...values)];
      const extremes = [lowest, highest].map((value) => shown.find((device) => device.values[column] === value)?.id ?? null);
      return [
        path,
        name,
        values.length,
        list.length,
        values.reduce((a, b) => a + b, 0) / values.length,
        lowest,
        highest,
        Date.now() - base - 4000,
        ...extremes,
      ];
    });
    const inAlert = ["critical", "warning", "info"].map((severity) => list.filter((device) => device.alert === severity).length);
    return [[path, null, ...counts(list), ...inAlert], ...figures];
  });
}
function seriesRows({ series, last, from, to, width }) {
  const [start, end] = last ? [Date.now() - last, Date.now()] : [from, to];
  const rung = [1000, 10_000, 60_000, 600_000, 3_600_000].find((one) => one * width >= end - start && one >= INTERVAL_MS) ?? 3_600_000;
  const rows = series.flatMap(({ device, metric }, index) => {
    const middle = devices.find(({ id }) => id === device)?.values[METRICS.findIndex(([name]) => name === metric)] ?? 20;
    const out = [];
    for (let time = Math.ceil(start / rung) * rung; time <= end; time += rung) {
      if (Math.sin(time / (rung * 61)) > 0.985) continue;
      const mean = middle + Math.sin(time / 900_000) * 0.8 + Math.sin(time / 70_000) * 0.3;
      out.push([index, time, 6, mean, mean - 0.3, mean + 0.35, mean]);
    }
    return out;
  });
  return { rung_ms: rung, rows };
}
const ofView = (view) => alerts.filter((alert) => view.device === undefined || alert.device === view.device);
const alertCounts = (list) => [
  ...["raised", "acknowledged"].map((state) =>
    ["critical", "warning", "info"].map((severity) => list.filter((alert) => alert.state === state && alert.severity === severity).length),
  ),
  0,
];
const wireDevice = (device) => ({
  row: device.row,
  id: device.id,
  group: device.group,
  state: device.state,
  since: device.since - base,
  alert: device.alert,
  metrics: METRICS,
  cells: [device.time - base, ...round(device.values)],
});
const value = (device, metric) => round(device.values)[METRICS.findIndex(([name]) => name === metric)] ?? null;

function snapshot({ view }) {
  switch (view.kind) {
    case "fleet": {
      const list = inGroup(view.group);
      const groups = [...new Set(list.map(({ group }) => group))];
      return {
        groups,
        rows: list.map((d) => [
          d.row,
          d.id,
          groups.indexOf(d.group),
          d.state,
          d.alert,
          value(d, view.metric),
          d.time - base,
          ...(view.heard ? [d.time - base] : []),
        ]),
      };
    }
    case "group":
      return { rows: groupRows() };
    case "series":
      return seriesRows(view);
    case "alerts":
      return { rows: ofView(view), counts: alertCounts(ofView(view)) };
    case "commands":
      return { rows: commands.changed(view, 0).slice(-(view.limit ?? 100)) };
    default: {
      const found = devices.filter(({ id }) => id === view.device);
      return { rows: found.map(wireDevice), ...(found.length ? {} : { missing: [view.device] }) };
    }
  }
}
function delta({ view, at }) {
  const changed = (list) => list.filter((device) => device.at > at);
  switch (view.kind) {
    case "fleet":
      return {
        r: changed(inGroup(view.group)).map((d) => [
          d.row,
          d.state,
          d.alert,
          value(d, view.metric),
          d.time - base,
          ...(view.heard ? [d.time - base] : []),
        ]),
      };
    case "device":
      return { r: changed(devices.filter(({ id }) => id === view.device)).map((d) => [d.row, d.time - base, ...round(d.values)]) };
    case "group":
      return position % 10 === 0 ? { r: groupRows() } : {};
    case "alerts": {
      const news = ofView(view).filter((alert) => alert.at > at);
      return news.length === 0
        ? {}
        : { n: alertCounts(ofView(view)), r: news, e: news.map((alert) => [told(alert.at), Date.now(), alert]) };
    }
    case "commands":
      return { r: commands.changed(view, at) };
    default:
      return {};
  }
}

const sessions = new Set();
setInterval(() => {
  position++;
  for (let i = 0; i < (count * 100) / INTERVAL_MS; i++) {
    const device = devices[Math.floor(Math.random() * count)];
    if (device.state !== "fresh") continue;
    device.values = device.values.map((v, k) => v + (Math.random() - 0.5) * (k === 3 ? 0 : 0.3));
    device.time = Date.now();
    device.at = position;
  }
  for (const { send, subs } of sessions)
    for (const sub of subs.values()) {
      const fields = delta(sub);
      if (!Object.values(fields).some((list) => list.length > 0)) continue;
      send({ type: "d", d: [sub.id, told(sub.at), told(position)], ...fields });
      sub.at = position;
    }
}, 100);

const json = (response, body) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
const restDevice = (d) => ({
  id: d.id,
  group: d.group,
  state: d.state,
  since: d.since,
  alert: d.alert,
  metrics: Object.fromEntries(
    METRICS.map(([name, unit, decimals], i) => [name, { value: round(d.values)[i], time: d.time, unit, decimals }]),
  ),
});
const end = (reason, ago_ms, detail = "") => ({ time: Date.now() - ago_ms, reason, detail, address: "192.0.2.40:51200" });
const client = (id, state, more) => ({
  id,
  principal: "anonymous",
  proof: "anonymous",
  state,
  since: base + 60_000,
  version: null,
  transport: null,
  address: null,
  keep_alive_s: null,
  clean: null,
  expiry_s: null,
  expires: null,
  heard: null,
  subscriptions: 0,
  totals: null,
  rates: null,
  in_flight: { in: 0, out: 0 },
  queued: { messages: 0, bytes: 0 },
  last_end: null,
  ...more,
});
const connected = (id, rate, more) =>
  client(id, "connected", {
    version: "5.0",
    transport: "tcp",
    address: `192.0.2.${id.length}:51${id.length % 10}23`,
    keep_alive_s: 60,
    clean: true,
    expiry_s: 0,
    heard: Date.now() - 400,
    totals: { publications: 120_412, publication_bytes: 6_412_000, deliveries: 17 },
    rates: { publications_per_second: rate, bytes_per_second: rate * 61, deliveries_per_second: 0.1 },
    ...more,
  });
const clients = () => [
  connected("cold-store-controller-with-a-rather-long-name-0001", 0.2, { principal: "cold-store", proof: "certificate", transport: "tls" }),
  connected("gateway-7", 212.4, {
    principal: "gateways",
    proof: "password",
    expiry_s: 3600,
    subscriptions: 2,
    in_flight: { in: 12, out: 1 },
    last_end: end("taken_over", 900_000, "another connection came with the same identifier: give each client one of its own"),
  }),
  connected("gateway-8", 180.1, { version: "3.1.1", transport: "websocket" }),
  client("meter-3", "sleeping", {
    expires: Date.now() + 6e8,
    subscriptions: 1,
    queued: { messages: 12, bytes: 1440 },
    last_end: end("keep_alive_timeout", 4e6, "nothing was heard for one and a half times the keep-alive"),
    since: Date.now() - 4e6,
  }),
  client("pump-12", "gone", {
    principal: null,
    proof: null,
    since: Date.now() - 4000,
    last_end: end("bad_credentials", 4000, 'the password of user "pumps" is wrong'),
  }),
  client("setup-laptop", "gone", { since: Date.now() - 9e5, last_end: end("disconnected", 9e5) }),
];
function answerClients(request, response, url) {
  const [id, tail] = url.pathname.split("/").slice(3).map(decodeURIComponent);
  const all = clients();
  if (id === undefined) {
    const state = url.searchParams.get("state");
    if (url.searchParams.has("topic"))
      return json(response, {
        clients: url.searchParams.get("topic").endsWith("/command") ? [connected("dev7", 0.2, {})] : [],
        next: null,
        counts: { connected: 3, sleeping: 1 },
      });
    const found = all.filter((one) => one.id.includes(url.searchParams.get("q") ?? "") && (state === "all" || state === one.state));
    return json(response, { clients: found, next: null, counts: { connected: 3, sleeping: 1 } });
  }
  if (request.method === "DELETE") return response.writeHead(204).end();
  if (tail === undefined)
    return json(response, {
      ...all.find((one) => one.id === id),
      filters:
        id === "gateway-7"
          ? [
              { filter: "site/a/+/set", qos: 1, no_local: false, retain_as_published: false, identifier: null },
              { filter: "$share/workers/site/+/commands/#", qos: 2, no_local: false, retain_as_published: true, identifier: 3 },
            ]
          : [],
    });
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const write = (line) => response.write(`${JSON.stringify(line)}\n`);
  write({ kind: "begin", time: Date.now(), state: "connected" });
  let packet_id = 1;
  const timer = setInterval(() => {
    write({
      kind: "packet",
      time: Date.now(),
      direction: "in",
      type: "PUBLISH",
      bytes: 48,
      packet_id,
      qos: 1,
      topic: "site/a/floor1/dev7/temperature",
      payload_bytes: 18,
      ...(url.searchParams.get("payloads") === "true" ? { payload: '{"temperature":21.5}' } : {}),
    });
    write({ kind: "packet", time: Date.now() + 1, direction: "out", type: "PUBACK", bytes: 4, packet_id: packet_id++ });
    if (packet_id % 5 === 0) write({ kind: "missed", count: 12 });
  }, 300);
  response.on("close", () => clearInterval(timer));
}
const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://x");
  const [fresh, late, asleep, lost] = counts(devices);
  const limit = Number(url.searchParams.get("limit") ?? 100);
  if (url.pathname === "/v1/devices")
    return json(response, {
      devices: inGroup(url.searchParams.get("group"))
        .filter(({ id }) => id.includes(url.searchParams.get("q") ?? ""))
        .slice(0, limit)
        .map(restDevice),
      next: null,
    });
  if (url.pathname === "/v1/alerts") return json(response, { alerts, next: null });
  if (url.pathname === "/v1/rules") return json(response, { rules: [] });
  if (url.pathname.startsWith("/v1/clients")) return answerClients(request, response, url);
  if (url.pathname === "/v1/problems")
    return json(response, {
      problems: [
        {
          reason: "not_json",
          topic: "site/b/floor2/dev9",
          client: "gateway-7",
          detail: "the payload starts like JSON and ends in the middle: publish whole messages",
          count: 1204,
          first: Date.now() - 9e6,
          last: Date.now() - 3000,
          sample: '{"temperature":21.',
          sample_hex: "7b22",
        },
      ],
      dropped: 0,
    });
  if (url.pathname === "/v1/stats")
    return json(response, {
      version: "0.1.0",
      time: Date.now(),
      started: base,
      memory_bytes: 61e6,
      viewers: sessions.size,
      devices: { fresh, late, asleep, lost },
      mqtt: { connections: count, publications: 1_720_412, publications_per_second: count / 5 },
      readings: { applied: 1_720_400, applied_per_second: count / 5, late: 6, duplicate: 2 },
      log: { appended: 1_720_412, durable: 1_720_410, applied: 1_720_412, bytes: 12_400_123 },
      store: {
        series: count * 4,
        points: 6_881_600,
        memory_bytes: 14e6,
        file_bytes: 22e6,
        written_bytes: 90e6,
        flushed: 1_700_000,
        oldest: base,
      },
      refused: { not_json: 1204 },
    });
  if (url.pathname.endsWith("/commands")) {
    const of = url.pathname.split("/").slice(3, -1).map(decodeURIComponent).join("/");
    if (request.method !== "POST") return json(response, { commands: [], next: null, defaults: commands.defaults(of) });
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const wish = JSON.parse(Buffer.concat(chunks).toString());
    if (/[+#]/.test(wish.topic))
      return response.writeHead(400, { "content-type": "application/problem+json" }).end(
        JSON.stringify({
          type: "urn:tidegate:invalid-body",
          title: "Invalid body",
          status: 400,
          detail: `topic "${wish.topic}" is no topic name (no wildcards, not empty)`,
        }),
      );
    return json(response, commands.send(of, wish));
  }
  if (url.pathname.endsWith("/acknowledge")) {
    const alert = alerts.find(({ id }) => url.pathname.includes(id));
    Object.assign(alert, { state: "acknowledged", acknowledged: { time: Date.now(), by: "operator" }, at: position + 1 });
    return json(response, alert);
  }
  const name = normalize(url.pathname).replace(/^\/+/, "");
  const path = extname(name) ? join(DIST, name) : join(DIST, "index.html");
  const bytes = await readFile(path).catch(() => null);
  response
    .writeHead(bytes ? 200 : 404, { "content-type": TYPES[extname(path)] ?? "text/plain", "content-security-policy": POLICY })
    .end(bytes);
});
new WebSocketServer({ server, path: "/v1/live" }).on("connection", (socket) => {
  const subs = new Map();
  const send = (message) => socket.send(JSON.stringify(message));
  const session = { send, subs };
  const open = (sub) => {
    send({ type: "snapshot", id: sub.id, part: 0, at: told(position), last: true, ...snapshot(sub) });
    subs.set(sub.id, { ...sub, at: position });
  };
  socket.on("message", (text) => {
    const message = JSON.parse(String(text));
    if (message.type === "hello") {
      sessions.add(session);
      send({
        type: "welcome",
        protocol: 2,
        session: "s-1",
        epoch: "fake",
        time_base: base,
        time: Date.now(),
        pulse_ms: 5000,
        limits: { subscriptions: 64, rows: 20000, message_bytes: 65536, bytes_in_flight: 16384 },
      });
    } else if (message.type === "subscribe") open(message);
    else if (message.type === "update") {
      const sub = subs.get(message.id);
      const { type: _type, id: _id, ...fields } = message;
      if (fields.last) delete sub.view.from, delete sub.view.to;
      if (fields.from) delete sub.view.last;
      open({ ...sub, view: { ...sub.view, ...fields } });
    } else if (message.type === "unsubscribe") subs.delete(message.id);
    else if (message.type === "ping") send({ type: "pong", n: message.n, time: Date.now() });
  });
  const pulse = setInterval(() => send({ type: "pulse", time: Date.now(), at: told(position), sent: 0 }), 5000);
  socket.on("close", () => (clearInterval(pulse), sessions.delete(session)));
});
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
