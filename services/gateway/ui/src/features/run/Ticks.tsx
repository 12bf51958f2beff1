import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ticksQuery } from "@/api/schedules";
import type { ScheduleState, Tick } from "@/api/types";
import { Listing } from "@/components/Listing";
import { type Column, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Ago, Exact } from "@/components/Time";
import { tickWords } from "@/lib/schedules";
import styles from "./Schedules.module.css";

const COLUMNS: Column<Tick>[] = [
  {
    title: "Due",
    cell: ({ tick_at, until_at, count = 1 }) => (
      <>
        <Exact at={tick_at} />
        {count > 1 && (
          <>
            {" "}
            to <Exact at={until_at} />
          </>
        )}
      </>
    ),
  },
  { title: "What became of it", look: "fill", cell: (tick) => <Became tick={tick} /> },
  { title: "When", look: "end", cell: ({ tick_at }) => <Ago at={tick_at} /> },
  {
    title: "Run",
    look: "end",
    cell: ({ run_id }) =>
      run_id ? (
        <Link to="/runs/$runId" params={{ runId: run_id }}>
          its run
        </Link>
      ) : (
        "–"
      ),
  },
];

/** The ticks of a schedule, those to come and what became of the others: read when it is opened. */
export function Ticks({ schedule }: { schedule: ScheduleState }) {
  const [open, setOpen] = useState(false);
  return (
    <details className={styles.ticks} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Next and past ticks</summary>
      {open && <Ahead moments={schedule.upcoming ?? []} />}
      {open && <List scheduleId={schedule.schedule_id} />}
    </details>
  );
}

/** When it is due next: the words of a rhythm leave open what summer time and two kinds of days make of it. */
function Ahead({ moments }: { moments: readonly string[] }) {
  if (moments.length === 0) return null;
  return (
    <div className={styles.ahead}>
      <span>Due next</span>
      <ul aria-label="Due next">
        {moments.map((at) => (
          <li key={at}>
            <Exact at={at} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function List({ scheduleId }: { scheduleId: string }) {
  const query = useInfiniteQuery(ticksQuery(scheduleId));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Listing read={query} count={rows.length} label="ticks" rows={3} empty={<p className={styles.quiet}>It was not due yet.</p>}>
      <RowTable label="Ticks" columns={COLUMNS} rows={rows} keyOf={(tick) => `${tick.tick_at} ${tick.outcome}`} />
    </Listing>
  );
}

function Became({ tick }: { tick: Tick }) {
  const { tone, word, why } = tickWords(tick);
  return (
    <>
      <Sign tone={tone}>{word}</Sign>
      {(why ?? tick.message) && <small className={styles.why}>{[why, tick.message].filter(Boolean).join(": ")}</small>}
    </>
  );
}
