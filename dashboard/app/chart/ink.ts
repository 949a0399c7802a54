// How one line of a chart is told from another.

/** What a line is: the page's own, one that was put beside it, or how one of them was a week before. */
export type Role = "main" | "beside" | "before";

/** Names of the style sheet's colours; none of them says that something is wrong. */
const COLOURS = ["accent", "line-blue", "line-violet", "line-magenta", "line-olive", "line-green", "line-brown", "line-steel"] as const;
/** When the colours have been used up they come again with another dash, CSS pixels. */
const DASHES: readonly (readonly number[])[] = [[], [9, 4], [9, 3, 2, 3], [5, 5]];
/** Fine dots are what was. */
const BEFORE = [2, 3] as const;
export const BEFORE_ALPHA = 0.6;

export interface Ink {
  colour: string;
  dash: readonly number[];
}

/** Of the line with this number; 0 is the main one. */
export function inkOf(number: number, role: Role): Ink {
  const colour = COLOURS[number % COLOURS.length] as string;
  return { colour, dash: role === "before" ? BEFORE : (DASHES[Math.floor(number / COLOURS.length) % DASHES.length] as readonly number[]) };
}
