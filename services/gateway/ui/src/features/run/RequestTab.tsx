import type { StepView } from "@/api/types";
import { EvidenceView } from "./EvidenceView";
import styles from "./EvidencePanel.module.css";
import { Timings } from "./Timings";

/** What was asked, what came back, and where the time went. */
export function RequestTab({ runId, step }: { runId: string; step: StepView }) {
  const evidence = (step.evidence ?? []).filter((piece) => piece.kind === "request" || piece.kind === "response");
  const timings = step.timings ?? {};
  if (evidence.length === 0 && Object.keys(timings).length === 0 && !step.target) {
    return <p className={styles.quiet}>Nothing was asked by this step.</p>;
  }
  return (
    <div className={styles.stack}>
      {step.target && (
        <div>
          <h3>Target</h3>
          <code>{step.target}</code>
        </div>
      )}
      {Object.keys(timings).length > 0 && <Timings timings={timings} />}
      {evidence.map((piece) => (
        <EvidenceView key={piece.evidence_id} runId={runId} evidence={piece} />
      ))}
    </div>
  );
}
