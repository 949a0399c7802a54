import type { Command, Delta, Snapshot } from "../protocol.js";
import type { Change, Table } from "./table.js";

/** View `commands`: the newest commands of a device, or of all. */
export class CommandTable implements Table<string> {
  readonly commands = new Map<string, Command>();

  load(part: Snapshot): void {
    for (const command of part.rows as Command[]) this.commands.set(command.id, command);
  }

  apply(delta: Delta): Change<string> {
    const rows = (delta.r ?? []) as Command[];
    let structure = false;
    for (const id of (delta.x ?? []) as string[]) structure = this.commands.delete(id) || structure;
    for (const command of rows) {
      structure ||= !this.commands.has(command.id);
      this.commands.set(command.id, command);
    }
    return { structure, keys: rows.map((command) => command.id) };
  }

  /** The newest first: a command's number is its place in the server's log. */
  newest(): Command[] {
    const place = (command: Command): number => Number(command.id.slice(2));
    return [...this.commands.values()].sort((one, other) => place(other) - place(one));
  }
}
