/// <reference types="vite/client" />
import { expect, test } from "vitest";
import { pitchFor } from "../fleet/pitch.js";
import CSS from "../style/base.css?raw";

/** A colour of the style sheet, in light (0) or dark (1). */
function colour(name: string, theme: 0 | 1): string {
  const [, light = "", dark = ""] = new RegExp(`--${name}: light-dark\\((#\\w{6}), (#\\w{6})\\)`).exec(CSS) ?? [];
  return theme === 0 ? light : dark;
}

/** Relative luminance (WCAG 2.2). */
function luminance(hex: string): number {
  const channel = (at: number): number => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

test("text has a contrast of 4.5 to 1 on both grounds, in light and in dark", () => {
  for (const theme of [0, 1] as const)
    for (const ground of ["bg", "surface"])
      for (const text of ["text", "muted", "faint"])
        expect(contrast(colour(text, theme), colour(ground, theme)), `${text} on ${ground}, ${theme}`).toBeGreaterThanOrEqual(4.5);
});

test("a cell under a finger is at least 24 pixels, under a mouse as small as the largest floor needs", () => {
  expect(pitchFor(10_000, 360, true, 1)).toBe(24);
  expect(pitchFor(10_000, 360, false, 1)).toBe(15);
  expect(pitchFor(10, 360, true, 1)).toBe(30);
  expect(pitchFor(25, 2000, false, 1.5)).toBe(45);
});
