import { expect, test } from "vitest";
import { patchOf, readSpan, spanText, wishOf, type Wish } from "../lib/register.js";

const nothing: Wish = wishOf(null);

test("only what is otherwise is sent, and what is emptied is taken back", () => {
  const said: Wish = { ...nothing, name: "Cellar", labels: "floor=-1\nkind=window", interval: "10 min" };
  expect(patchOf(nothing, { ...nothing, name: " Cellar " })).toEqual({ name: "Cellar" });
  expect(patchOf(said, said)).toEqual({});
  expect(patchOf(said, { ...said, name: "", interval: " " })).toEqual({ name: null, interval_ms: null });
  expect(patchOf(said, { ...said, labels: "floor=2\nroom = a=b" })).toEqual({ labels: { floor: "2", room: "a=b", kind: null } });
  expect(patchOf(said, { ...said, interval: "1h", hidden: true })).toEqual({ interval_ms: 3_600_000, hidden: true });
});

test("what cannot be meant so is said with what to write", () => {
  expect(patchOf(nothing, { ...nothing, interval: "soon" })).toContain("10 min");
  expect(patchOf(nothing, { ...nothing, labels: "a=b\nfloor" })).toContain("“floor”");
});

test("a span comes back as it was written", () => {
  for (const text of ["30 s", "90 s", "10 min", "1 h", "2 d"]) expect(spanText(readSpan(text) ?? 0)).toBe(text);
  expect([readSpan("5m"), readSpan("5 sec"), readSpan("5"), readSpan("-5 s")]).toEqual([300_000, 5000, null, null]);
});

test("what is said is what a person finds in the form, and not what the device says of itself", () => {
  const about = { name: "TS0201", interval_ms: 60_000, labels: { floor: "2" }, notes: "x" };
  expect(wishOf(about)).toEqual({ ...nothing, labels: "floor=2", notes: "x" });
});
