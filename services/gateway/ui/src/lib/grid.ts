/** The run × step grid: which cells were slower than usual, and how tall the bars are. */
import type { GridColumn, StepStatus } from "@/api/types";
import { isSlow } from "./chain";
import { isOpenRun } from "./status";

/** The middle duration of each step over its successes in the shown columns, in seconds. */
export function usualSeconds(columns: readonly GridColumn[]): Record<string, number> {
  const seen: Record<string, number[]> = {};
  for (const column of columns) {
    for (const [step, seconds] of Object.entries(column.step_seconds)) {
      if (column.steps[step] === "success") (seen[step] ??= []).push(seconds);
    }
  }
  return Object.fromEntries(Object.entries(seen).map(([step, values]) => [step, median(values)]));
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Fewer runs than this say nothing about what is usual. */
const ENOUGH_RUNS = 5;

/** A success that took clearly longer than the others of its step. */
export function slowCell(column: GridColumn, step: string, usual: Record<string, number>, runs: number): boolean {
  return runs >= ENOUGH_RUNS && column.steps[step] === "success" && isSlow(column.step_seconds[step], usual[step]);
}

/** The state of a cell; null where the run says nothing of the step. */
export function cellStatus(column: GridColumn, step: string): StepStatus | null {
  const status = column.steps[step] as StepStatus | undefined;
  return !status || (status === "pending" && !isOpenRun(column.status)) ? null : status;
}

/** Whether the result was kept from the run that this one continues. */
export const isKept = (column: GridColumn, step: string): boolean => column.kept.includes(step);

/** Bar heights from 0.12 to 1: the square root keeps short runs visible beside one very long one. */
export function barHeights(columns: readonly GridColumn[]): number[] {
  const longest = Math.max(0, ...columns.map((column) => column.duration_seconds ?? 0));
  return columns.map((column) => (longest > 0 ? Math.max(0.12, Math.sqrt((column.duration_seconds ?? 0) / longest)) : 0.12));
}
