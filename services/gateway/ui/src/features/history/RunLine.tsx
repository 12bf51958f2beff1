import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { RunSummary } from "@/api/types";
import { StatusIcon } from "@/components/Status";
import { Ago, Elapsed } from "@/components/Time";
import { Trigger } from "@/components/Trigger";
import { VerdictText } from "@/components/VerdictText";
import { formatDuration } from "@/lib/format";
import { isOpenRun } from "@/lib/status";
import styles from "./HistoryPage.module.css";

export const RunLine = memo(function RunLine({ run }: { run: RunSummary }) {
  return (
    <li className={styles.line}>
      <StatusIcon status={run.status} label />
      <div className={styles.what}>
        <Link to="/runs/$runId" params={{ runId: run.run_id }} className={styles.name}>
          {run.process_name}
          {run.key && <span className={styles.key}> · {run.key}</span>}
        </Link>
        <p className={styles.verdict}>
          <VerdictText verdict={run.verdict} status={run.status} />
        </p>
      </div>
      <div className={styles.who}>
        <Trigger trigger={run.trigger} /> {run.initiated_by}
      </div>
      <div className={styles.when}>
        <div>
          <Ago at={run.queued_at} />
        </div>
        <div className={styles.took}>{isOpenRun(run.status) ? <>for <Elapsed since={run.started_at ?? run.queued_at} /></> : `took ${formatDuration(run.duration_seconds)}`}</div>
      </div>
    </li>
  );
});
