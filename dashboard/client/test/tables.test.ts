import { expect, test } from "vitest";
import { AlertTable } from "../tables/alerts.js";
import { CommandTable } from "../tables/commands.js";
import { DeviceTable } from "../tables/devices.js";
import { FleetTable } from "../tables/fleet.js";
import { GroupTable } from "../tables/groups.js";
import { SeriesTable } from "../tables/series.js";

const base = { time_base: 1_000_000 };
const part = (rows: unknown[], more: object = {}) => ({ type: "snapshot" as const, id: 1, part: 0, at: "e.1", last: true, rows, ...more });

test("groups of a fleet are numbered on from the part before", () => {
  const fleet = new FleetTable(base);
  fleet.load(part([[1, "a", 0, "fresh", null, 20, 5]], { groups: ["A"] }));
  fleet.load(part([[2, "b", 1, "lost", null, null, null]], { groups: ["B"] }));
  expect([...fleet.cells.values()].map((cell) => [cell.id, cell.group, cell.time])).toEqual([
    ["a", "A", 1_000_005],
    ["b", "B", null],
  ]);
  expect(
    fleet.apply({ type: "d", d: [1, "e.1", "e.2"], x: [1], a: [[3, "c", "C", "fresh", null, 1, 1]], r: [[2, "fresh", "warning", 7, 9]] }),
  ).toEqual({ structure: true, keys: [2] });
  expect([...fleet.cells.values()].map((cell) => cell.value)).toEqual([7, 1]);
});

test("what was handed over from before has no time, and a fleet that asks for it says when each device was last heard", () => {
  const devices = new DeviceTable(base);
  const metrics = [
    ["t", null, null],
    ["h", null, null],
  ];
  const row = { row: 1, id: "a", group: "", state: "fresh", since: 0, alert: null, metrics, cells: [9, { v: 20, t: null }] };
  devices.load(part([row]));
  const shown = () =>
    [...devices.rows.values()].map((device) => [device.time, ...device.cells.map((cell) => cell && [cell.value, cell.time])])[0];
  expect(shown()).toEqual([null, [20, null], null]);
  devices.apply({ type: "d", d: [1, 1, 2], r: [[1, 11, null, 45]] });
  expect(shown()).toEqual([1_000_011, [20, null], [45, 1_000_011]]);

  const fleet = new FleetTable(base);
  fleet.load(part([[1, "a", 0, "fresh", null, 20, null, 7]], { groups: ["A"] }));
  fleet.apply({ type: "d", d: [1, 1, 2], r: [[1, "fresh", null, 20, null, 8]] });
  expect([...fleet.cells.values()].map((cell) => [cell.value, cell.time, cell.heard])).toEqual([[20, null, 1_000_008]]);
});

test("a late bucket lands in its place and an open one is replaced", () => {
  const series = new SeriesTable();
  series.load(
    part(
      [
        [0, 1000, 1, 1, 1, 1, 1],
        [0, 3000, 1, 3, 3, 3, 3],
      ],
      { rung_ms: 1000 },
    ),
  );
  series.apply({
    type: "d",
    d: [1, "e.1", "e.2"],
    r: [
      [0, 2000, 1, 2, 2, 2, 2],
      [0, 3000, 2, 3.5, 3, 4, 4],
    ],
  });
  expect(series.lines[0]!.map((bucket) => [bucket.start, bucket.mean])).toEqual([
    [1000, 1],
    [2000, 2],
    [3000, 3.5],
  ]);
  series.trim(2000);
  expect(series.lines[0]!.map((bucket) => bucket.start)).toEqual([2000, 3000]);
});

test("a line says where its older part is from, and that is replaced", () => {
  const series = new SeriesTable();
  series.load(part([], { rung_ms: 1000, seams: [[1, 5000, "influxdb", "it is away"]] }));
  expect(series.seams).toEqual([undefined, { at: 5000, older: "influxdb", missing: "it is away" }]);
  const changed = series.apply({ type: "d", d: [1, "e.1", "e.1"], h: [[1, 6000, "influxdb", null]], r: [[1, 1000, 1, 1, 1, 1, 1]] });
  expect(changed.keys).toEqual([1]);
  expect(series.seams[1]).toEqual({ at: 6000, older: "influxdb", missing: null });
});

test("what came after newer readings were shown is late, what extends the newest is not", () => {
  const series = new SeriesTable();
  series.load(
    part(
      [
        [0, 1000, 1, 1, 1, 1, 1],
        [0, 3000, 1, 3, 3, 3, 3],
      ],
      { rung_ms: 1000 },
    ),
  );
  series.apply({
    type: "d",
    d: [1, "e.1", "e.2"],
    r: [
      [0, 2000, 1, 2, 2, 2, 2],
      [0, 3000, 2, 3, 3, 3, 3],
      [0, 4000, 1, 4, 4, 4, 4],
    ],
  });
  series.apply({ type: "d", d: [1, "e.2", "e.3"], r: [[0, 4000, 2, 4, 4, 4, 4]] });
  expect(series.lines[0]!.map((bucket) => bucket.late)).toEqual([false, true, false, false]);
});

test("a bucket is replaced by what comes for its start, and goes when it has no numbers left", () => {
  const series = new SeriesTable();
  series.load(
    part(
      [
        [0, 1000, 2, 1.5, 1, 2, 2],
        [0, 2000, 1, 2, 2, 2, 2],
      ],
      { rung_ms: 1000 },
    ),
  );
  series.apply({ type: "d", d: [1, "e.5", "e.5"], r: [[0, 1000, 1, 1, 1, 1, 1]] });
  expect(series.lines[0]!.map((bucket) => [bucket.start, bucket.count, bucket.highest])).toEqual([
    [1000, 1, 1],
    [2000, 1, 2],
  ]);
  expect(
    series.apply({
      type: "d",
      d: [1, "e.5", "e.5"],
      x: [
        [0, 2000],
        [0, 3000],
        [1, 1000],
      ],
    }).keys,
  ).toEqual([0, 1]);
  expect(series.lines[0]!.map((bucket) => bucket.start)).toEqual([1000]);
});

test("states and aggregates of a group are kept apart", () => {
  const groups = new GroupTable(base);
  groups.load(
    part([
      ["A", "temperature", 118, 120, 21.42, 16.1, 27.9, 9, "A/cold", "A/warm"],
      ["A", null, 100, 5, 10, 5, 1, 2, 0],
    ]),
  );
  expect(groups.inAlert.get("A")).toEqual({ critical: 1, warning: 2, info: 0 });
  expect(groups.aggregates.get("A")!.get("temperature")).toMatchObject({ lowestOf: "A/cold", highestOf: "A/warm" });
  expect(groups.states.get("A")).toEqual({ fresh: 100, late: 5, asleep: 10, lost: 5 });
  groups.apply({ type: "d", d: [1, "e.1", "e.2"], x: [["A", "temperature"]] });
  expect(groups.aggregates.get("A")!.has("temperature")).toBe(false);
  expect(groups.states.has("A")).toBe(true);
});

test("a command is replaced as it gets on, and the newest comes first", () => {
  const commands = new CommandTable();
  commands.load(
    part([
      { id: "c-1000", state: "sent" },
      { id: "c-99", state: "accepted" },
    ]),
  );
  expect(commands.apply({ type: "d", d: [1, "e.1", "e.2"], r: [{ id: "c-99", state: "sent" }] })).toEqual({
    structure: false,
    keys: ["c-99"],
  });
  expect(commands.apply({ type: "d", d: [1, "e.2", "e.3"], x: ["c-1000"], r: [{ id: "c-1001", state: "accepted" }] })).toEqual({
    structure: true,
    keys: ["c-1001"],
  });
  expect(commands.newest().map((command) => [command.id, command.state])).toEqual([
    ["c-1001", "accepted"],
    ["c-99", "sent"],
  ]);
});

test("a command that left before it was here is nothing new", () => {
  expect(new CommandTable().apply({ type: "d", d: [1, "e.1", "e.2"], x: ["c-1"] })).toEqual({ structure: false, keys: [] });
});

test("alerts that a line stands for leave with its coming, and the counts are the server's", () => {
  const alerts = new AlertTable();
  alerts.load(
    part(
      [
        { id: "a-1-0", state: "raised" },
        { id: "a-2-0", state: "raised" },
      ],
      { counts: [[2, 0, 0], [1, 0, 0], 7] },
    ),
  );
  expect([alerts.raised, alerts.acknowledged, alerts.counts[2]]).toEqual([2, 1, 7]);
  const burst = { id: "b-1-0", rule: "silent", severity: "critical", text: "", count: 3, raised: 3, acknowledged: 0, first: 1, last: 2 };
  alerts.apply({ type: "d", d: [1, "e.1", "e.2"], n: [[3, 0, 0], [1, 0, 0], 7], x: ["a-1-0", "a-2-0"], r: [burst] });
  expect([[...alerts.alerts.keys()], [...alerts.bursts.keys()], alerts.begun.length, alerts.raised]).toEqual([[], ["b-1-0"], 1, 3]);
  alerts.apply({ type: "d", d: [1, "e.2", "e.3"], n: [[2, 0, 0], [1, 0, 0], 8], r: [{ ...burst, raised: 2 }] });
  expect([alerts.begun.length, alerts.bursts.get("b-1-0")!.raised]).toEqual([0, 2]);
});

test("an event of an alert outside the window changes no row, and after a break every row is replaced", () => {
  const alerts = new AlertTable();
  alerts.load(part([{ id: "a-1-0", state: "raised" }]));
  alerts.apply({ type: "d", d: [1, "e.1", "e.2"], e: [["e.2", 5, { id: "a-9-0", state: "cleared" } as never]] });
  expect([[...alerts.alerts.keys()], alerts.events.length]).toEqual([["a-1-0"], 1]);
  alerts.apply({ type: "d", d: [1, "e.2", "e.3"], x: ["*"], r: [{ id: "a-3-0", state: "raised" }] });
  expect([...alerts.alerts.keys()]).toEqual(["a-3-0"]);
});
