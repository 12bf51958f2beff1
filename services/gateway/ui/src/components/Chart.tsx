import { useEffect, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./Chart.module.css";

export type Line = { name: string; values: readonly (number | null)[]; token: string; fill?: boolean; dash?: boolean };
type Props = {
  label: string;
  /** Seconds since 1970, one for each value. */
  days: readonly number[];
  lines: readonly Line[];
  unit: (value: number) => string;
  top?: number;
  /** The column under the pointer, or null. */
  onHover: (index: number | null) => void;
};

const HEIGHT = 200;
const SYNC = "steptrail-days";

/** Lines over days, drawn on a canvas in the colours of the theme. What they say also stands in a table beside them. */
export function Chart({ label, days, lines, unit, top, onHover }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const hover = useRef(onHover);
  const measure = useRef(unit);
  useEffect(() => {
    hover.current = onHover;
    measure.current = unit;
  });
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const plot = new uPlot(optionsOf(element.clientWidth, days, lines, top, (value) => measure.current(value), (index) => hover.current(index)), [[...days], ...lines.map((line) => [...line.values])] as uPlot.AlignedData, element);
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [days, lines, top, theme]);
  return <div ref={host} className={styles.chart} role="img" aria-label={label} />;
}

function optionsOf(width: number, days: readonly number[], lines: readonly Line[], top: number | undefined, unit: (value: number) => string, hover: (index: number | null) => void): uPlot.Options {
  const colour = (token: string) => getComputedStyle(document.documentElement).getPropertyValue(token).trim();
  const axis: uPlot.Axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px Inter Variable, sans-serif" };
  const half = 43_200;
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { sync: { key: SYNC }, drag: { x: false, y: false }, y: false },
    scales: { x: { range: () => [(days[0] ?? 0) - half, (days.at(-1) ?? 1) + half] }, y: { range: (_, _least, most) => [0, top ?? Math.max(most * 1.12, 0.01)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, gap: 9, size: 40, values: [[86_400 * 28, "{MMM} {YY}", null, null, null, null, null, null, 1], [86_400, "{D} {MMM}", null, null, null, null, null, null, 1]] },
      { ...axis, size: 62, space: 44, values: (_, splits) => splits.map((value) => unit(value)) },
    ],
    series: [
      {},
      ...lines.map(({ name, token, fill, dash }): uPlot.Series => ({
        label: name,
        stroke: colour(token),
        width: 2,
        dash: dash ? [6, 4] : undefined,
        fill: fill ? `color-mix(in srgb, ${colour(token)} 14%, transparent)` : undefined,
        points: { show: true, size: 6, fill: colour(token) },
      })),
    ],
    hooks: { setCursor: [(plot) => hover(plot.cursor.idx ?? null)] },
  };
}

/** The theme that is painted; a canvas has to be drawn anew when it changes. */
function useTheme(): string {
  return useSyncExternalStore(
    (listener) => {
      const observer = new MutationObserver(listener);
      observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      return () => observer.disconnect();
    },
    () => document.documentElement.dataset.theme ?? "light",
  );
}
