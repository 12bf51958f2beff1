import { isPicture } from "@/api/queries";
import type { Evidence, StepView } from "@/api/types";
import { Facts } from "@/components/DataTable";
import { inUnit } from "@/lib/value";
import { EvidenceView } from "./EvidenceView";
import styles from "./EvidencePanel.module.css";

/** What answers most comes first; logs with their times come last. */
const ORDER: readonly Evidence["kind"][] = ["rows", "listing", "content", "page", "response", "recording"];

function rank(piece: Evidence): number {
  return ORDER.indexOf(piece.kind);
}

/** Captured values, findings, and the data that was looked at. */
export function DataTab({ runId, step }: { runId: string; step: StepView }) {
  const captures = Object.entries(step.captures ?? {});
  const findings = (step.findings ?? []).map((finding): [string, unknown] => [finding.label, inUnit(finding.label, finding.value)]);
  const evidence = (step.evidence ?? []).filter((piece) => piece.kind !== "request" && !isPicture(piece)).sort((one, other) => rank(one) - rank(other));
  if (captures.length + findings.length + evidence.length === 0) {
    return <p className={styles.quiet}>Nothing was collected by this step.</p>;
  }
  return (
    <div className={styles.stack}>
      {captures.length > 0 && (
        <div>
          <h3>Captured for later steps</h3>
          <Facts facts={captures} />
        </div>
      )}
      {findings.length > 0 && (
        <div>
          <h3>Found</h3>
          <Facts facts={findings} />
        </div>
      )}
      {evidence.map((piece) => (
        <EvidenceView key={piece.evidence_id} runId={runId} evidence={piece} />
      ))}
    </div>
  );
}
