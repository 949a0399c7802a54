import { expect, test } from "vitest";
import { isolated, toColumns } from "../chart/data.js";
import type { Rule } from "../lib/api.js";
import { nameWithin } from "../lib/groups.js";
import { alertTitle, blindText, clearsText, lasted, limitsOf, ruleText, valuesText } from "../lib/rules.js";
import {
  exactValue,
  formatBytes,
  formatDuration,
  formatMeasured,
  formatNumber,
  formatTime,
  formatValue,
  groupWords,
  metricLabel,
  readable,
  shortName,
} from "../lib/format.js";
import { learnUnits, shownAs, unitOf } from "../lib/units.js";

test("numbers have a true minus, thin grouping and their own precision", () => {
  expect(formatNumber(-67, 0)).toBe("\u221267");
  expect(formatNumber(1013.25, 1)).toBe("1\u202f013.3");
  expect(formatNumber(-0.01, 1)).toBe("0.0");
  expect(formatNumber(null)).toBe("–");
  expect(formatBytes(1400)).toBe("1.4\u202fkB");
});

test("a metric may be called what JavaScript's own objects have", () => {
  expect(["constructor", "__proto__", "co2", "door_open"].map(metricLabel)).toEqual(["Constructor", "Proto", "CO₂", "Door open"]);
  for (const name of ["constructor", "__proto__", "toString"]) {
    expect(unitOf(name)).toEqual({ unit: null, decimals: null });
    learnUnits([{ name, unit: "V", decimals: 2 }]);
    expect(unitOf(name)).toEqual({ unit: "V", decimals: 2 });
  }
  expect("decimals" in {}).toBe(false);
});

test("times are relative under an hour, a clock today, a date beyond", () => {
  const now = new Date(2026, 5, 15, 14, 0, 0).getTime();
  expect(formatTime(now - 2000, now)).toBe("2 s ago");
  expect(formatTime(now - 59 * 60_000, now)).toBe("59 min ago");
  expect(formatTime(now - 2 * 3_600_000, now)).toBe("12:00:00");
  expect(formatTime(now - 48 * 3_600_000, now)).toMatch(/13 Jun/);
});

test("a line is never drawn across missing data", () => {
  const at = (start: number) => ({ start, count: 1, mean: 1, lowest: 1, highest: 1, late: false, last: 1 });
  expect(toColumns([at(0), at(5000), at(10_000), at(60_000)], 1000)[1]).toEqual([1, 1, 1, null, 1]);
});

test("a rule reads as its alerts do, and thresholds of a metric are lines of its chart", () => {
  const rule: Rule = {
    id: "configured/warm",
    name: "warm",
    severity: "critical",
    metric: "temperature",
    device: null,
    group: null,
    condition: "above",
    threshold: 8,
    hysteresis: 0.5,
    for_ms: 30_000,
    active: 0,
    looks_at: { devices: 3, series: 3, texts: 0 },
    blind: null,
  };
  const celsius = { unit: "°C", decimals: 1 };
  expect(ruleText(rule, celsius)).toBe("Above 8.0 °C for 30 s");
  expect(ruleText({ ...rule, condition: "below", threshold: -18, for_ms: 0 }, { unit: "%", decimals: null })).toBe("Below −18%");
  const silent: Rule = {
    id: "configured/silent",
    name: "silent",
    severity: "warning",
    metric: null,
    device: null,
    group: null,
    condition: "no_reading",
    for_ms: 600_000,
    active: 0,
    looks_at: { devices: 3, series: 3, texts: 0 },
    blind: null,
  };
  expect(ruleText(silent, celsius)).toBe("No reading for 10 min");
  const every = { ...rule, name: "every", metric: null, threshold: 9 };
  expect(limitsOf([rule, silent, every], "temperature", celsius).map((limit) => limit.value)).toEqual([8, 9]);
  expect(limitsOf([rule], "temperature", celsius)[0]?.text).toBe("Above 8.0 °C for 30 s, clears below 7.5 °C");
  expect(clearsText({ ...rule, condition: "below", threshold: 2 }, celsius)).toBe("clears above 2.5 °C");
  expect(clearsText({ ...rule, hysteresis: 0 }, celsius)).toBeNull();
  expect(limitsOf([rule, silent, every], "humidity", celsius).map((limit) => limit.value)).toEqual([9]);
  expect(blindText(rule)).toBeNull();
  expect(blindText({ ...rule, blind: "temperature is a text at 3 devices" })).toBe("It cannot raise: temperature is a text at 3 devices.");
  expect(blindText({ ...rule, looks_at: { devices: 3, series: 3, texts: 1 } })).toBe("A text at 1 of 3 devices: it cannot raise there.");
  const missed = { ...silent, device: "dev7", blind: "no device with this name was heard yet" };
  expect(blindText(missed)).toBe("No device with this name was heard yet. Its silence raises all the same.");
  expect(blindText({ ...missed, device: "dev*" })).toContain("It cannot raise");
});

test("an alert's title names its metric", () => {
  const alert = { metric: "co2", text: "Above 1500 ppm for 10 s" };
  expect(alertTitle(alert)).toBe("CO₂ above 1500 ppm for 10 s");
  expect(alertTitle({ metric: null, text: "No reading for 10 min" })).toBe("No reading for 10 min");
});

test("a value between two gaps stands alone", () => {
  expect(isolated([1, 2, null, 3, null, 4, 5])).toEqual([3]);
  expect(isolated([null, 1])).toEqual([1]);
});

test("a name turns nothing around it, and one that would is seen for what it is", () => {
  const reversed = "dev\u202egnp.exe";
  for (const shown of [shortName(`site/${reversed}`), groupWords(`site/${reversed}`), metricLabel(reversed), formatValue(reversed)]) {
    expect(shown).not.toMatch(/[\u202a-\u202e]/);
    expect(shown).toContain("⟨U+202E⟩");
  }
  expect(readable("a\u2069b")).toBe("a⟨U+2069⟩b");
  expect(readable("حرارة 1")).toBe("\u2068حرارة 1\u2069");
  expect(groupWords("حرارة/B")).toBe("\u2068حرارة\u2069 · B");
  expect(readable("Außen °C 温度 🌡️")).toBe("Außen °C 温度 🌡️");
});

test("a number shows its significant digits, however small or large, and its tooltip has them all", () => {
  expect(formatNumber(1.23e-8)).toBe("1.23\u202f×\u202f10⁻⁸");
  expect(formatNumber(-1.23e-8, 3)).toBe("\u22121.23\u202f×\u202f10⁻⁸");
  expect(formatNumber(0.00123, 3)).toBe("0.00123");
  expect(formatNumber(0.005, 3)).toBe("0.005");
  expect(formatNumber(0, 3)).toBe("0.000");
  expect(formatNumber(1.8e19)).toBe("1.8\u202f×\u202f10¹⁹");
  expect(exactValue(-12_345.678, "W")).toBe("\u221212345.678 W");
  expect(exactValue(12, null)).toBe("12");
  expect(exactValue(undefined, "W")).toBe("");
});

test("a text or a switch has no unit, nor a number that cannot be one of the unit its name suggests", () => {
  const volts = { unit: "V", decimals: 2 };
  const percent = { unit: "%", decimals: 0 };
  expect(shownAs("POWER", "ON", { unit: "W", decimals: 1 }).unit).toBeNull();
  expect(shownAs("power", true, { unit: "W", decimals: 1 }).unit).toBeNull();
  expect(shownAs("voltage", 2965, volts)).toEqual({ unit: null, decimals: null });
  expect(shownAs("phase1.voltage", 231.4, volts)).toEqual(volts);
  expect(shownAs("battery", 3.3, percent).unit).toBeNull();
  expect([3, 56.5, 100].map((value) => shownAs("battery", value, percent).unit)).toEqual(["%", "%", "%"]);
  expect(shownAs("voltage", 2965, { unit: "mV", decimals: 0 }).unit).toBe("mV");
  expect(shownAs("voltage", 2965, { ...volts, guessed: false }).unit, "somebody said it").toBe("V");
  expect(shownAs("temperature", null, { unit: "°C", decimals: 1 }).unit).toBe("°C");
});

test("an alert says how long it held, and what each of its values is", () => {
  expect(lasted({ raised: 1000, cleared: 61_000 }, 900_000)).toBe(60_000);
  expect(lasted({ raised: 1000, cleared: null }, 31_000)).toBe(30_000);
  const warm = { unit: "°C", raised_value: 9, peak: 12.5, cleared_value: null };
  const write = (value: number) => formatNumber(value, 1);
  expect(valuesText(warm, write)).toBe("9.0 °C when raised, peak 12.5 °C");
  expect(valuesText({ ...warm, peak: 9, cleared_value: 7.4 }, write)).toBe("9.0 °C when raised, 7.4 °C when cleared");
  expect(valuesText({ ...warm, unit: null, raised_value: null, peak: null }, write)).toBe("");
  expect([0, 45_000, 3_600_000, 7_500_000, 180_000_000].map(formatDuration)).toEqual(["0 s", "45 s", "1 h", "2 h 5 min", "2 d 2 h"]);
});

test("no two groups of a page have one heading", () => {
  expect(["A/Floor 1", "B/Floor 1"].map((path) => nameWithin(path, ""))).toEqual(["A · Floor 1", "B · Floor 1"]);
  expect(nameWithin("site/A/Floor 1", "site")).toBe("A · Floor 1");
  expect(nameWithin("site/A", "site/A")).toBe("A");
});

test("a value without a time is from before, and no value has none", () => {
  expect([formatMeasured(null, 21.5, 9000), formatMeasured(null, false, 9000)]).toEqual(["from before", "from before"]);
  expect([formatMeasured(null, null, 9000), formatMeasured(7000, 21.5, 9000)]).toEqual(["–", "2 s ago"]);
});
