import { expect, test } from "vitest";
import type { MqttWays } from "../lib/api.js";
import { publishCommand } from "../lib/publish.js";

const at = (transport: "tcp" | "tls" | "broker", address: string, certificate = false): MqttWays["listeners"][number] => ({
  transport,
  address,
  certificate,
});
const open = (...listeners: MqttWays["listeners"]): MqttWays => ({ listeners, anonymous: "everywhere", proofs: [] });
const line = (ways: MqttWays | null, page: string): string => publishCommand(ways, page, "-t a -m 1").line;

test("the command has the listener's own port, at a host that is reached from where the page is read", () => {
  expect(line(open(at("tcp", "127.0.0.1:34567")), "localhost")).toBe("mosquitto_pub -h localhost -p 34567 -t a -m 1");
  expect(line(open(at("tcp", "0.0.0.0:1884")), "tide.example")).toBe("mosquitto_pub -h tide.example -p 1884 -t a -m 1");
  expect(line(open(at("tcp", "[::1]:1884")), "127.0.0.1")).toBe("mosquitto_pub -h ::1 -p 1884 -t a -m 1");
  expect(line(open(at("tcp", "192.0.2.7:1884")), "tide.example")).toContain("-h 192.0.2.7 -p 1884");
  const elsewhere = publishCommand(open(at("tcp", "127.0.0.1:1884")), "tide.example", "");
  expect(elsewhere.line).toContain("-h 127.0.0.1 -p 1884");
  expect(elsewhere.hint).toContain("on the server's machine");
});

test("TLS and proofs are in it where they are needed", () => {
  const both = [at("tcp", "127.0.0.1:1883"), at("tls", "0.0.0.0:8883")];
  expect(line(open(...both), "localhost")).not.toContain("--cafile");
  expect(line(open(...both), "tide.example")).toBe("mosquitto_pub -h tide.example -p 8883 --cafile ca.pem -t a -m 1");
  expect(line(open(at("tcp", "127.0.0.1:1"), at("tls", "0.0.0.0:8883", true)), "tide.example")).toContain(
    "--cafile ca.pem --cert client.pem --key client.key",
  );
  expect(line({ listeners: both, anonymous: "never", proofs: ["password"] }, "localhost")).toContain("-p 1883 -u USER -P PASSWORD");
  expect(line({ listeners: both, anonymous: "never", proofs: ["token"] }, "localhost")).toContain("-u USER -P TOKEN");
  expect(line({ listeners: both, anonymous: "never", proofs: ["certificate"] }, "localhost")).toContain("-p 8883 --cafile ca.pem --cert");
  expect(line({ listeners: both, anonymous: "loopback", proofs: ["password"] }, "localhost")).not.toContain("-u");
});

test("before the server has told, and where the broker is another", () => {
  expect(line(null, "localhost")).toContain("-p 1883");
  expect(line(open(at("broker", "hub.example:8883")), "localhost")).toContain("-h hub.example -p 8883");
});
