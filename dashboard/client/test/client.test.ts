import { expect, test } from "vitest";
import { reconnectDelay } from "../backoff.js";
import { utf8Bytes } from "../protocol.js";
import { DEV7, harness, silent } from "./fakes.js";

function opened() {
  const h = harness();
  h.client.start();
  h.welcome();
  const view = h.client.open<"devices">({ kind: "devices", devices: ["dev7"] }, silent);
  h.receive({ type: "snapshot", id: view.id, part: 0, at: "k3JRB84", last: true, rows: [DEV7] });
  const dev7 = () => view.table!.rows.get(342)!;
  return { ...h, view, dev7 };
}

test("a snapshot is shown when its last part has come", () => {
  const h = harness();
  h.client.start();
  h.welcome();
  const view = h.client.open<"devices">({ kind: "devices", group: "site" }, silent);
  h.receive({ type: "snapshot", id: view.id, part: 0, at: "k3J5", last: false, rows: [DEV7] });
  expect(view.table).toBeNull();
  h.receive({ type: "snapshot", id: view.id, part: 1, at: "k3J5", last: true, rows: [{ ...DEV7, row: 343, id: "site/b/floor1/dev8" }] });
  expect([...view.table!.rows.keys()]).toEqual([342, 343]);
});

test("a delta changes only the columns it names", () => {
  const { receive, view, dev7 } = opened();
  receive({ type: "d", d: [view.id, "k3JRB84", "k3JRB8k"], r: [[342, 23850000, null, 45.9]] });
  expect(dev7().cells.map((cell) => cell?.value)).toEqual([23.5, 45.9]);
  expect(dev7().cells[0]!.time).toBe(1_704_700_000_000 + 23_845_000);
  expect(view.at).toBe("k3JRB8k");
});

test("an envelope says what lay between two deltas", () => {
  const { receive, view, dev7 } = opened();
  receive({
    type: "d",
    d: [view.id, "k3JRB84", "k3JRB9D"],
    r: [[342, 23865000, { v: 23.6, n: 3, lo: 19.2, hi: 31.4, ft: 23855000 }, 45.1]],
  });
  expect(dev7().cells[0]).toEqual({
    value: 23.6,
    time: 1_704_723_865_000,
    between: { count: 3, exact: true, lowest: 19.2, highest: 31.4, since: 1_704_723_855_000 },
  });
  receive({
    type: "d",
    d: [view.id, "k3JRB9D", "k3JRB9K"],
    r: [[342, 23866000, { v: 23.7, n_max: 6, lo: 19.2, hi: 31.4, ft: 23855000 }]],
  });
  expect(dev7().cells[0]!.between).toMatchObject({ count: 6, exact: false });
});

test("a delta from another base is not applied, and the view is asked for anew under a new number", () => {
  const { receive, sent, view, dev7 } = opened();
  const old = view.id;
  receive({ type: "d", d: [old, "k3J1Z", "k3J1a"], r: [[342, 1, 50]] });
  expect(dev7().cells[0]!.value).toBe(23.5);
  expect(sent().slice(-2)).toEqual([
    { type: "unsubscribe", id: old },
    { type: "subscribe", id: view.id, view: view.spec },
  ]);
  expect(view.id).not.toBe(old);
});

test("the parts of a large delta are applied together", () => {
  const { receive, view, dev7 } = opened();
  receive({ type: "d", d: [view.id, "k3JRB84", "k3JRBAG"], more: true, r: [[342, 23850000, 30]] });
  expect(dev7().cells[0]!.value).toBe(23.5);
  receive({ type: "d", d: [view.id, "k3JRB84", "k3JRBAG"], r: [[342, 23851000, null, 50]] });
  expect(dev7().cells.map((cell) => cell?.value)).toEqual([30, 50]);
});

test("a part of a delta is forgotten when the link breaks", () => {
  const h = opened();
  h.receive({ type: "d", d: [h.view.id, "k3JRB84", "k3JRBAG"], more: true, r: [[342, 23850000, 30]] });
  h.drop();
  h.pass(1000);
  h.welcome();
  expect(h.sent()).toContainEqual({ type: "subscribe", id: h.view.id, view: h.view.spec, since: "k3JRB84" });
  h.receive({ type: "d", d: [h.view.id, "k3JRB84", "k3JRBBq"], r: [[342, 23852000, null, 51]] });
  expect(h.dev7().cells.map((cell) => cell?.value)).toEqual([23.5, 51]);
});

test("states, new columns, joining and leaving rows are taken", () => {
  const { receive, view, dev7 } = opened();
  receive({
    type: "d",
    d: [view.id, "k3JRB84", "k3J1"],
    s: [[342, "late", 23860000, "warning"]],
    m: [[342, 2, "co2", "ppm", 0, true]],
    r: [[342, 23860000, null, null, 612]],
    a: [{ ...DEV7, row: 9, id: "dev9" }],
  });
  expect(dev7()).toMatchObject({ state: "late", alert: "warning" });
  expect(dev7().metrics[2]).toEqual({ name: "co2", unit: "ppm", decimals: 0, guessed: true, about: null });
  expect(dev7().cells[2]!.value).toBe(612);
  receive({ type: "d", d: [view.id, "k3J1", "k3J2"], x: [342] });
  expect([...view.table!.rows.keys()]).toEqual([9]);
});

test("coming back sends the position reached, until another is, whatever became of the server", () => {
  const h = opened();
  const comeBack = () => {
    h.drop();
    h.pass(60_000);
    h.welcome("another");
  };
  h.drop();
  expect(h.client.status().phase).toBe("offline");
  h.pass(999);
  expect(h.links).toHaveLength(1);
  h.pass(1);
  h.welcome("another");
  expect(h.sent()[0]).toEqual({ type: "hello", protocol: 2, encoding: "json" });
  const reached = (since: string) => expect(h.sent()).toContainEqual({ type: "subscribe", id: h.view.id, view: h.view.spec, since });
  reached("k3JRB84");
  h.receive({ type: "snapshot", id: h.view.id, part: 0, at: "Z.1", last: false, rows: [] });
  comeBack();
  reached("k3JRB84");
  h.receive({ type: "snapshot", id: h.view.id, part: 0, at: "Z.1", last: true, rows: [] });
  comeBack();
  reached("Z.1");
});

test("a list that was changed has no position until a delta has shown the change", () => {
  const h = opened();
  h.view.update({ add: ["dev9"], remove: ["dev7"] });
  h.drop();
  h.pass(1000);
  h.welcome();
  expect(h.sent()).toContainEqual({ type: "subscribe", id: h.view.id, view: { kind: "devices", devices: ["dev9"] } });
});

test("a page is stale after 12 s of silence and dead after 60", () => {
  const h = opened();
  h.pass(11_000);
  expect(h.client.status().phase).toBe("live");
  h.pass(2_000);
  expect(h.client.status().phase).toBe("stale");
  h.pass(48_000);
  expect(h.links[0]!.closed).toBe(true);
  expect(h.client.status().phase).toBe("offline");
});

test("a paused page is stale after 40 s of silence, and one that is shown again has time to hear", () => {
  const h = opened();
  h.client.setHidden(true);
  h.pass(39_000);
  expect(h.client.status().phase).toBe("paused");
  h.client.setHidden(false);
  expect(h.client.status().phase).toBe("live");
  h.pass(13_000);
  expect(h.client.status().phase).toBe("stale");
  h.receive({ type: "pulse", time: 1, at: "k3J1", sent: 1 });
  h.client.setHidden(true);
  h.pass(41_000);
  expect(h.client.status().phase).toBe("stale");
});

test("silence is judged by the pulses that the server announces", () => {
  const h = harness();
  h.client.start();
  h.welcome("k3J", { pulse_ms: 20_000, pulse_paused_ms: 60_000 });
  h.pass(41_000);
  expect(h.client.status().phase).toBe("live");
  h.pass(2_000);
  expect(h.client.status().phase).toBe("stale");
  h.pass(70_000);
  expect(h.links[0]!.closed).toBe(false);
});

test("a view that its rate holds back is told apart from a link that is slow", () => {
  const { client, receive, view } = opened();
  receive({ type: "pace", id: view.id, rate: 5, reason: "rate_limit" });
  expect(client.status()).toMatchObject({ phase: "slowed", reason: "rate_limit", rate: 5 });
  receive({ type: "pace", rate: 0, reason: "slow_link" });
  expect(client.status()).toMatchObject({ reason: "slow_link", rate: 0 });
  receive({ type: "pace", rate: null, reason: "full" });
  expect(client.status()).toMatchObject({ reason: "rate_limit" });
  receive({ type: "pace", id: view.id, rate: null, reason: "full" });
  expect(client.status().phase).toBe("live");
});

test("what a newer server says besides is passed over", () => {
  const { receive, view, dev7 } = opened();
  receive({ type: "subscribed", id: view.id, rate: null });
  receive({ type: "weather", id: view.id, sky: "blue" });
  receive({ type: "d", d: [view.id, "k3JRB84", "k3JRB8k"], r: [[342, 23850000, 24]], z: [1] });
  expect(dev7().cells[0]!.value).toBe(24);
});

test("what was received is acknowledged within a second, or after 4096 bytes", () => {
  const h = opened();
  h.pass(1000);
  const seen = () => h.sent().filter((message) => message.type === "seen");
  expect(seen()).toHaveLength(1);
  h.receive({ type: "pulse", time: 1, at: "k3J1", sent: 1, filling: "x".repeat(5000) });
  expect(seen()).toHaveLength(2);
});

test("a hidden page is paused, and goes on when it is back", () => {
  const h = opened();
  h.client.setHidden(true);
  expect(h.sent().at(-1)).toEqual({ type: "pause" });
  expect(h.client.status().phase).toBe("paused");
  h.client.setHidden(false);
  expect(h.sent().at(-1)).toEqual({ type: "continue" });
});

test("goaway says when to come back", () => {
  const h = opened();
  h.receive({ type: "goaway", reconnect_after_ms: 2140 });
  h.drop();
  h.pass(2139);
  expect(h.links).toHaveLength(1);
  h.pass(1);
  expect(h.links).toHaveLength(2);
});

test("waits double up to 30 s, with up to a second of chance", () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => reconnectDelay(attempt, 0))).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  expect(reconnectDelay(0, 0.999)).toBe(1999);
});

test("bytes are counted as UTF-8", () => {
  for (const text of ["abc", "°C", "–", "😀 x"]) expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
});
