import { expect, test } from "vitest";
import type { Alert, AlertBurst } from "../../client/index.js";
import { sectionsOf } from "../alerts/grouping.js";

const alert = (id: string, more: Partial<Alert> = {}): Alert => ({
  id,
  rule: "hot",
  severity: "warning",
  device: id,
  group: "a",
  metric: "t",
  text: "",
  condition: null,
  threshold: null,
  for_ms: null,
  unit: null,
  state: "raised",
  value: 1,
  raised_value: 1,
  peak: null,
  cleared_value: null,
  raised: 1,
  acknowledged: null,
  unacknowledged: null,
  cleared: null,
  duration_ms: null,
  ...more,
});
const burst: AlertBurst = {
  id: "b",
  rule: "silent",
  severity: "warning",
  text: "",
  count: 40,
  raised: 30,
  acknowledged: 5,
  first: 1,
  last: 2,
};

test("the gravest section is first, then those of most alerts, and each says how many it has", () => {
  const lines = [alert("1"), burst, alert("2", { severity: "critical", rule: "fire" }), alert("3", { state: "acknowledged" })];
  expect(sectionsOf(lines, "rule").map(({ severity, name, count, acknowledged }) => [severity, name, count, acknowledged])).toEqual([
    ["critical", "fire", 1, 0],
    ["warning", "silent", 35, 5],
    ["warning", "hot", 2, 1],
  ]);
  expect(sectionsOf(lines, "group").map(({ severity, name, count }) => [severity, name, count])).toEqual([
    ["critical", "a", 1],
    ["warning", null, 35],
    ["warning", "a", 2],
  ]);
});

test("what somebody took on comes behind what nobody did", () => {
  const lines = [alert("1", { state: "acknowledged", rule: "done" }), alert("2", { state: "acknowledged", rule: "done" }), alert("3")];
  expect(sectionsOf(lines, "rule").map(({ name }) => name)).toEqual(["hot", "done"]);
});
