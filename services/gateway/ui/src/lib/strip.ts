/** How a strip of runs is drawn: one path for all cells that look alike, since a long list of strips is many cells. */
import type { RunStatus } from "@/api/types";
import { type Tone, tone } from "./status";

/** Runs in a strip; fewer leave its beginning empty. */
export const STRIP_LENGTH = 30;
/** Units of the drawing: a cell with the gap behind it, its height, its corners. */
const PITCH = 12;
const GAP = 2;
const HEIGHT = 24;
const ROUND = 2;
const HATCH_STEP = 6;

export const STRIP_BOX = `0 0 ${STRIP_LENGTH * PITCH - GAP} ${HEIGHT}`;

export type Look = Tone | "none" | "half" | "hatch";
export type StripPath = { look: Look; d: string };

/** The paths of a strip whose last cell is its last run. */
export function stripPaths(statuses: readonly RunStatus[]): StripPath[] {
  const drawn = new Map<Look, string>();
  const add = (look: Look, d: string) => drawn.set(look, (drawn.get(look) ?? "") + d);
  const empty = STRIP_LENGTH - statuses.length;
  for (let at = 0; at < empty; at += 1) add("none", cell(at));
  statuses.forEach((status, index) => {
    const at = empty + index;
    const name = tone(status);
    if (name === "notyet") add("notyet", cell(at, 1));
    else if (name === "cancelled" || name === "skipped") add("hatch", hatch(at));
    else if (name === "warn") {
      add("ok", cell(at));
      add("half", cell(at, 0, HEIGHT / 2));
    } else add(name, cell(at));
  });
  return [...drawn].map(([look, d]) => ({ look, d }));
}

/** Which of the runs lies under a point, as the share of the strip's width at its left; null where there is none. */
export function runAt(share: number, runs: number): number | null {
  const at = Math.floor(Math.min(Math.max(share, 0), 0.9999) * STRIP_LENGTH) - (STRIP_LENGTH - runs);
  return at >= 0 ? at : null;
}

/** The frame around the cell of a run. */
export const frameOf = (index: number, runs: number): string => cell(STRIP_LENGTH - runs + index, -1);

/** A rectangle with round corners, smaller by `inset` at every side. */
function cell(at: number, inset = 0, height = HEIGHT): string {
  const [left, right] = [at * PITCH + inset, at * PITCH + PITCH - GAP - inset];
  const [top, bottom] = [Math.max(0, inset), height - Math.max(0, inset)];
  const corner = (x: number, y: number) => `q0 0 ${x} ${y}`;
  return (
    `M${left + ROUND} ${top}H${right - ROUND}${corner(ROUND, ROUND)}V${bottom - ROUND}${corner(-ROUND, ROUND)}` +
    `H${left + ROUND}${corner(-ROUND, -ROUND)}V${top + ROUND}${corner(ROUND, -ROUND)}z`
  );
}

/** Slanting lines across a cell. */
function hatch(at: number): string {
  const left = at * PITCH;
  const width = PITCH - GAP;
  return Array.from({ length: (HEIGHT - width) / HATCH_STEP + 1 }, (_, line) => `M${left} ${line * HATCH_STEP + width}l${width} ${-width}`).join("");
}
