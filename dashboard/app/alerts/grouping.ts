// Alerts that hold, in sections: by gravity, and within it by rule or by group.
import type { Alert, AlertBurst, Severity } from "../../client/index.js";

type Line = Alert | AlertBurst;
export type By = "rule" | "group";

export interface Section {
  /** Known by it while its alerts change. */
  key: string;
  severity: Severity;
  /** Of the rule or the group; `null` where a line stands for devices of several groups. */
  name: string | null;
  lines: Line[];
  /** Alerts in it, those that a line stands for among them, and how many of them somebody took on. */
  count: number;
  acknowledged: number;
}

const RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };
const countOf = (line: Line): [count: number, acknowledged: number] =>
  "count" in line ? [line.raised + line.acknowledged, line.acknowledged] : [1, line.state === "acknowledged" ? 1 : 0];

/** The gravest first; of these those that nobody took on, then those of most alerts. Lines keep their order. */
export function sectionsOf(lines: readonly Line[], by: By): Section[] {
  const sections = new Map<string, Section>();
  for (const line of lines) {
    const name = by === "rule" ? line.rule : "count" in line ? null : line.group;
    const key = JSON.stringify([line.severity, name]);
    const section = sections.get(key) ?? { key, severity: line.severity, name, lines: [], count: 0, acknowledged: 0 };
    const [count, acknowledged] = countOf(line);
    section.lines.push(line);
    section.count += count;
    section.acknowledged += acknowledged;
    sections.set(key, section);
  }
  const isDone = (section: Section): number => Number(section.acknowledged === section.count);
  return [...sections.values()].sort(
    (a, b) => RANK[a.severity] - RANK[b.severity] || isDone(a) - isDone(b) || b.count - a.count || a.key.localeCompare(b.key),
  );
}
