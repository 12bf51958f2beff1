import { type ReactNode, useMemo, useState } from "react";
import type { Trend, TrendDay } from "@/api/types";
import { Chart, type Line } from "@/components/Chart";
import { Card } from "@/components/Page";
import { type Column, RowTable } from "@/components/RowTable";
import { formatDuration, plural } from "@/lib/format";
import { columnsOf, percent } from "@/lib/trends";
import styles from "./Trends.module.css";

const COLUMNS: Column<TrendDay>[] = [
  { title: "Day", look: "fill", cell: ({ day }) => day },
  { title: "Runs", look: "end", cell: ({ runs }) => runs.toLocaleString("en") },
  { title: "Missed starts", look: "end", cell: ({ missed_starts }) => missed_starts.toLocaleString("en") },
  { title: "Success", look: "end", cell: ({ success_rate }) => percent(success_rate) },
  { title: "p50", look: "end", cell: ({ p50_seconds }) => formatDuration(p50_seconds) },
  { title: "p95", look: "end", cell: ({ p95_seconds }) => formatDuration(p95_seconds) },
];

/** Two charts over the same days: a pointer on one reads both. */
export function TrendCharts({ trend, of }: { trend: Trend; of: string }) {
  const [hovered, setHovered] = useState<number | null>(null);
  const columns = useMemo(() => columnsOf(trend), [trend]);
  const rate = useMemo((): Line[] => [{ name: "success rate", values: columns.rate, token: "--ok", fill: true }], [columns]);
  const durations = useMemo(
    (): Line[] => [
      { name: "p95", values: columns.p95, token: "--overdue", dash: true },
      { name: "p50", values: columns.p50, token: "--accent" },
    ],
    [columns],
  );
  const days = trend.days ?? [];
  const shown = (hovered === null ? null : columns.found[hovered]) ?? days.at(-1);
  return (
    <>
      <div className={styles.charts}>
        <Framed title="Success rate" of={of} said={shown && successOf(shown)}>
          <Chart label={`Success rate of ${of}, day by day`} days={columns.days} lines={rate} unit={(value) => `${value}\u00a0%`} top={100} onHover={setHovered} />
        </Framed>
        <Framed
          title="Duration"
          of={of}
          said={
            shown && (
              <>
                {shown.day}: <span className={styles.p50}>p50 {formatDuration(shown.p50_seconds)}</span>, <span className={styles.p95}>p95 {formatDuration(shown.p95_seconds)}</span>
              </>
            )
          }
        >
          <Chart label={`Durations of ${of}, day by day`} days={columns.days} lines={durations} unit={axisDuration} onHover={setHovered} />
        </Framed>
      </div>
      <Card>
        <details className={styles.table}>
          <summary>The same days as a table</summary>
          <RowTable label="Days" columns={COLUMNS} rows={[...days].reverse()} keyOf={(day) => day.day} />
        </details>
      </Card>
    </>
  );
}

/** Missed starts are said beside the rate: they are no runs, and no part of it. */
function successOf(day: TrendDay): string {
  const rate = day.runs > 0 ? `${percent(day.success_rate)} of ${plural(day.runs, "run")}` : "no runs";
  return `${day.day}: ${rate}${day.missed_starts > 0 ? `; ${plural(day.missed_starts, "scheduled start")} missed` : ""}`;
}

function Framed({ title, of, said, children }: { title: string; of: string; said: ReactNode; children: ReactNode }) {
  return (
    <Card className={styles.chart}>
      <header>
        <h2>
          {title} <small>of {of}</small>
        </h2>
        <p>{said}</p>
      </header>
      {children}
    </Card>
  );
}

const axisDuration = (seconds: number): string => (seconds === 0 ? "0" : formatDuration(seconds));
