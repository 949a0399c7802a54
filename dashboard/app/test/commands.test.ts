import { expect, test } from "vitest";
import type { Command } from "../../client/index.js";
import { bodyOf, formatWait, laterSteps, listenerWords, payloadWords, standing } from "../lib/commands.js";

const command = (more: Partial<Command>): Command => ({
  id: "c-7",
  device: "a/dev7",
  state: "accepted",
  steps: [{ state: "accepted", time: 1000 }],
  deadline: 61_000,
  topic: "a/dev7/command",
  payload: { text: "on" },
  content_type: "text/plain",
  qos: 1,
  response_topic: "a/dev7/response",
  key: null,
  by: "Ann",
  client: null,
  refusal: null,
  answer: null,
  ...more,
});

test("an object is sent as JSON exactly as it was written, all else as text", () => {
  const wish = { topic: "a/dev7/command", qos: 2 as const, expires_in_s: 60 };
  const number = "12345678901234567890.10";
  expect(bodyOf({ ...wish, payload: ` {"id": ${number}}` }, "k")).toBe(
    `{"payload":{"json": {"id": ${number}}},"topic":"a/dev7/command","qos":2,"expires_in_s":60,"key":"k"}`,
  );
  for (const payload of ["on", "21.5", "{open", '"', ""])
    expect(JSON.parse(bodyOf({ ...wish, payload }, "k")).payload).toEqual({ text: payload });
});

test("each step says how long after the first it came", () => {
  const steps: Command["steps"] = [
    { state: "accepted", time: 1000 },
    { state: "sent", time: 1004 },
    { state: "delivered", time: 2150 },
    { state: "answered", time: 126_000 },
  ];
  expect(laterSteps(command({ state: "answered", steps })).map((step) => `${step.state} ${step.after}`)).toEqual([
    "sent 4 ms",
    "delivered 1.1 s",
    "answered 2 min",
  ]);
  expect(formatWait(-3)).toBe("0 ms");
});

test("a command says what it waits for, or why it goes no further", () => {
  expect(standing(command({}), 2000)).toMatch(/^waits for the device until /);
  expect(standing(command({ state: "sent", qos: 0 }), 2000)).toBe("QoS 0 is not acknowledged");
  expect(standing(command({ state: "refused", refusal: "no_subscriber" }), 2000)).toBe("nobody has subscribed to its topic");
});

test("a payload that was cut says how long it is", () => {
  expect(payloadWords({ text: "on" })).toBe("on");
  expect(payloadWords({ text: "" })).toBe("no payload");
  expect(payloadWords({ base64: "AP8=", bytes: 65_536 })).toBe("base64 AP8=… (65.5\u202fkB)");
});

test("who gets a command is named, and that a sleeper keeps it waiting", () => {
  expect(listenerWords([{ id: "plant/dev7", state: "sleeping" }])).toBe("Goes to dev7 (sleeping). It waits there until the deadline.");
  const many = ["a", "b", "c", "d"].map((id) => ({ id, state: "connected" as const }));
  expect(listenerWords(many)).toBe("Goes to a (connected), b (connected), c (connected) and more.");
});
