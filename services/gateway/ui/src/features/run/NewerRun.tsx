import type { RunSummary } from "@/api/types";
import { Button } from "@/components/Button";
import { StatusBadge } from "@/components/Status";
import { Ago } from "@/components/Time";
import { ReplayedMoment } from "@/lib/clock";
import styles from "./NewerRun.module.css";

/** A newer run is offered, never put in place of what someone is reading. */
export function NewerRun({ run, onShow }: { run: RunSummary; onShow: () => void }) {
  return (
    <div className={styles.bar} role="status">
      <StatusBadge status={run.status} />
      <span>
        A newer run{run.key ? ` of ${run.key}` : ""} was started{" "}
        {/* Seen from today also while an older moment is replayed. */}
        <ReplayedMoment value={null}>
          <Ago at={run.queued_at} />
        </ReplayedMoment>
        .
      </span>
      <Button onClick={onShow}>Show the latest</Button>
    </div>
  );
}
