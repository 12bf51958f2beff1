import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { RunSummary } from "@/api/types";
import { lineClass, ListLine } from "@/components/ListLine";
import { Ago, Elapsed } from "@/components/Time";
import { Trigger } from "@/components/Trigger";
import { VerdictText } from "@/components/VerdictText";
import { formatDuration } from "@/lib/format";
import { isOpenRun } from "@/lib/status";
import styles from "./HistoryPage.module.css";

export const RunLine = memo(function RunLine({ run }: { run: RunSummary }) {
  const who = (
    <>
      <Trigger trigger={run.trigger} /> {run.initiated_by}
    </>
  );
  const when = (
    <>
      <div className={styles.asked}>
        <Ago at={run.queued_at} />
      </div>
      <div className={styles.took}>{isOpenRun(run.status) ? <>for <Elapsed since={run.started_at ?? run.queued_at} /></> : `took ${formatDuration(run.duration_seconds)}`}</div>
    </>
  );
  return (
    <ListLine status={run.status} aside={who} asideClass={styles.who} when={when} className={styles.run}>
      <Link to="/runs/$runId" params={{ runId: run.run_id }} className={lineClass.title}>
        {run.process_name}
        {run.key && <span className={styles.key}> · {run.key}</span>}
      </Link>
      <p className={lineClass.says}>
        <VerdictText verdict={run.verdict} status={run.status} />
      </p>
    </ListLine>
  );
});
