import { expect, test } from "vitest";
import { isTrouble, packetWords, reasonWords } from "../lib/clients.js";

test("a packet says what it carries, and its codes only where they refuse", () => {
  const base = { kind: "packet", time: 0, direction: "in", bytes: 38 } as const;
  expect(packetWords({ ...base, type: "PUBLISH", qos: 0, topic: "a/b", payload_bytes: 4 })).toBe("qos 0  a/b  4 B");
  expect(
    packetWords({ ...base, type: "PUBLISH", qos: 1, packet_id: 7, retain: true, topic_alias: 3, payload_bytes: 4, payload: "23.5" }),
  ).toBe("qos 1  id 7  retain  topic alias 3  4 B: 23.5");
  expect(packetWords({ ...base, type: "SUBACK", packet_id: 1, codes: [1, 0x87], detail: "granted qos 1, not authorized" })).toBe(
    "id 1  0x87  granted qos 1, not authorized",
  );
  expect(packetWords({ ...base, type: "PINGREQ" })).toBe("");
});

test("a goodbye is no trouble, everything else is", () => {
  const end = (reason: string) => ({ time: 0, reason, detail: "", address: null });
  expect([end("disconnected"), end("administrative"), null, end("lost"), end("bad_credentials")].map(isTrouble)).toEqual([
    false,
    false,
    false,
    true,
    true,
  ]);
  expect(reasonWords("taken_over")).toContain("identifier");
  expect(reasonWords("some_new_reason")).toBe("some new reason");
});
