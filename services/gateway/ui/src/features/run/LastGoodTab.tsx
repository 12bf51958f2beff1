import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { diffQuery } from "@/api/queries";
import type { RunView, StepDiff, StepView } from "@/api/types";
import { Problem } from "@/components/States";
import { StatusBadge } from "@/components/Status";
import { formatDuration } from "@/lib/format";
import { type AnyStatus, isOpenRun } from "@/lib/status";
import { changeWords, showChanged } from "@/lib/value";
import { Changes, ContentChanges } from "./ContentChanges";
import styles from "./EvidencePanel.module.css";

/** This step against the same step of the last run that was good. */
export function LastGoodTab({ run, step }: { run: RunView; step: StepView }) {
  const open = isOpenRun(run.status);
  const diff = useQuery({ ...diffQuery(run.run_id), enabled: !open });
  if (open) return <p className={styles.quiet}>The comparison is made when the run has ended.</p>;
  if (diff.isPending) return <p className={styles.quiet}>Comparing…</p>;
  if (diff.isError) return <Problem compact error={diff.error} onRetry={() => void diff.refetch()} />;
  const against = diff.data.against_run_id;
  if (!against) return <p className={styles.quiet}>There is no good run yet to compare with.</p>;
  const found = diff.data.steps?.find((one) => one.step_id === step.step_id);
  return (
    <div className={styles.stack}>
      <p className={styles.quiet}>
        Compared with{" "}
        <Link to="/runs/$runId" params={{ runId: against }} search={{ step: step.step_id }}>
          the last good run
        </Link>{" "}
        {run.last_good_of === "key" ? `of ${run.key}` : "of this process; there is none of the same key before it"}.
      </p>
      {found ? <Comparison diff={found} step={step} /> : <p className={styles.quiet}>This step is the same as in the last good run.</p>}
    </div>
  );
}

function Comparison({ diff, step }: { diff: StepDiff; step: StepView }) {
  if (!diff.before_status) return <p className={styles.quiet}>The last good run did not have this step.</p>;
  const { changes = [], definition = [], contents = [] } = diff;
  return (
    <>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Last good</th>
            <th scope="col">This run</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <td>state</td>
            <td>
              <StatusBadge status={diff.before_status as AnyStatus} />
            </td>
            <td>
              <StatusBadge status={diff.status as AnyStatus} />
            </td>
          </tr>
          <tr>
            <td>duration</td>
            <td>{formatDuration(diff.before_duration_seconds)}</td>
            <td>
              {formatDuration(diff.duration_seconds)}
              {diff.slower_by_seconds != null && <small>slower by {formatDuration(diff.slower_by_seconds)}</small>}
            </td>
          </tr>
          {changes.map((change) => (
            <tr key={change.path}>
              <td>
                {changeWords(change.path, step.assertions ?? [])}
              </td>
              <td>
                <code>{showChanged(changeWords(change.path, step.assertions ?? []), change.before)}</code>
              </td>
              <td>
                <code>{showChanged(changeWords(change.path, step.assertions ?? []), change.after)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {changes.length + definition.length + contents.length === 0 && <p className={styles.quiet}>No value of this step differs.</p>}
      {definition.length > 0 && (
        <section className={styles.stack} aria-label="Difference in the definition">
          <h3>The definition says something else</h3>
          <Changes changes={definition} label="Definition" />
        </section>
      )}
      {contents.map((content, index) => (
        <ContentChanges key={index} content={content} />
      ))}
    </>
  );
}
