import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { pauseSchedule, resumeSchedule, schedulesQuery } from "@/api/schedules";
import type { Definition, ScheduleState } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { CronWords } from "@/components/CronWords";
import { Icon } from "@/components/Icon";
import { Card } from "@/components/Page";
import { Sign } from "@/components/Sign";
import { Loading, Problem } from "@/components/States";
import { Ago, Exact } from "@/components/Time";
import { formatExact, plural } from "@/lib/format";
import { usePreferences } from "@/lib/preferences";
import { maintenanceText, rhythm, rhythmDetails, tickWords } from "@/lib/schedules";
import styles from "./Schedules.module.css";
import { Ticks } from "./Ticks";

/** When the process runs by itself, with what became of it. Not shown for a process without schedules. */
export function Schedules({ processId, definition }: { processId: string; definition: Definition | null }) {
  const query = useQuery(schedulesQuery(processId));
  const schedules = query.data ?? [];
  if (query.isError && schedules.length === 0) {
    return (
      <Card className={styles.card} aria-label="Schedules">
        <Problem compact error={query.error} onRetry={() => void query.refetch()} />
      </Card>
    );
  }
  if (query.isPending && definition?.schedule?.length) {
    return (
      <Card className={styles.card} aria-label="Schedules">
        <Loading rows={definition.schedule.length} label="Loading the schedules" />
      </Card>
    );
  }
  if (schedules.length === 0) return null;
  return (
    <Card className={styles.card} aria-label="Schedules">
      <header className={styles.head}>
        <h2>Runs by itself</h2>
        <span>{plural(schedules.length, "schedule")}</span>
      </header>
      <ul>
        {schedules.map((schedule) => (
          <li key={schedule.schedule_id} className={styles.schedule}>
            <Line schedule={schedule} />
          </li>
        ))}
      </ul>
      <Windows definition={definition} />
    </Card>
  );
}

function Line({ schedule }: { schedule: ScheduleState }) {
  const mayPause = useMay("schedules.pause");
  const details = rhythmDetails(schedule);
  return (
    <>
      <div className={styles.line}>
        <Icon name="calendar" />
        <div className={styles.words}>
          <b className={styles.rhythm}>{schedule.cron ? <CronWords cron={schedule.cron}>{rhythm(schedule)}</CronWords> : rhythm(schedule)}</b>
          {schedule.cron && <small>{rhythm(schedule)}</small>}
          {details && <small>{details}</small>}
        </div>
        <Next schedule={schedule} />
        <Last schedule={schedule} />
        {mayPause && schedule.state !== "process_off" && <PauseButton schedule={schedule} />}
      </div>
      <Ticks schedule={schedule} />
    </>
  );
}

function Next({ schedule: { state, next_run_at, next_in_maintenance, paused_at, paused_by } }: { schedule: ScheduleState }) {
  if (state === "paused") {
    return (
      <div className={styles.next}>
        <Sign tone="warn" icon="pause">
          paused
        </Sign>
        {paused_at && (
          <small>
            <Ago at={paused_at} /> by {paused_by}
          </small>
        )}
      </div>
    );
  }
  if (state === "process_off" || !next_run_at) return <div className={styles.next}>the process is not active</div>;
  return (
    <div className={styles.next}>
      next <Ago at={next_run_at} due />
      <small>
        <Exact at={next_run_at} />
      </small>
      {next_in_maintenance && (
        <Sign tone="warn" icon="pause">
          maintenance: starts nothing
        </Sign>
      )}
    </div>
  );
}

function Last({ schedule: { last_outcome, last_tick_at } }: { schedule: ScheduleState }) {
  if (!last_outcome || !last_tick_at) return <div className={styles.next}>no tick yet</div>;
  const { tone, word } = tickWords({ outcome: last_outcome as "started", reason: null, count: 1 });
  return (
    <div className={styles.next}>
      <Sign tone={tone}>last {word}</Sign>
      <small>
        <Ago at={last_tick_at} />
      </small>
    </div>
  );
}

function PauseButton({ schedule }: { schedule: ScheduleState }) {
  const queries = useQueryClient();
  const paused = schedule.state === "paused";
  const change = useMutation({
    mutationFn: () => (paused ? resumeSchedule(schedule.schedule_id) : pauseSchedule(schedule.schedule_id)),
    onSuccess: (after) => queries.setQueryData(schedulesQuery(schedule.process_id).queryKey, (before) => before?.map((one) => (one.schedule_id === after.schedule_id ? after : one))),
  });
  return (
    <div className={styles.action}>
      {change.error && <small role="alert">{change.error.message}</small>}
      <Button busy={change.isPending} aria-label={`${paused ? "Resume" : "Pause"} the schedule ${rhythm(schedule)}`} onClick={() => change.mutate()}>
        <Icon name={paused ? "play" : "pause"} size={14} /> {paused ? "Resume" : "Pause"}
      </Button>
    </div>
  );
}

function Windows({ definition }: { definition: Definition | null }) {
  const { zone } = usePreferences();
  const windows = definition?.maintenance ?? [];
  if (windows.length === 0) return null;
  return (
    <div className={styles.windows}>
      <h3>Maintenance: nothing is started by itself</h3>
      <ul>
        {windows.map((window, index) => (
          <li key={index}>
            {window.cron && <CronWords cron={window.cron} after=" · " />}
            {maintenanceText(window, (iso) => formatExact(iso, zone))}
            {window.reason && <span> · {window.reason}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
