import type { Definition, Step, StepView } from "@/api/types";
import { Box } from "@/components/Page";
import { assertionText, retryText, waitText } from "@/lib/definition";
import { formatDuration } from "@/lib/format";
import styles from "./EvidencePanel.module.css";

/** Before any run: what this step will look at and what must hold. */
export function PlannedStep({ step, planned, defaults }: { step: StepView; planned: Step | undefined; defaults: Definition["defaults"] | undefined }) {
  const assertions = planned?.assert ?? [];
  const captures = Object.keys(planned?.capture ?? {});
  const retry = planned && retryText(planned.retry ?? defaults?.retry, step.of_attempts ?? 1);
  const wait = planned && waitText(planned);
  return (
    <div className={styles.planned}>
      <div className={styles.stack}>
        <div>
          <h3>What must hold</h3>
          {assertions.length === 0 && <p className={styles.quiet}>No assertions: any error fails the step.</p>}
          <ul>
            {assertions.map((assertion, index) => (
              <li key={index}>
                <code>{assertionText(assertion)}</code>
              </li>
            ))}
          </ul>
        </div>
        <div className={styles.pair}>
          <Box title="Timeout of one attempt">{formatDuration(step.timeout_seconds).replace(/\.0(?=\u00a0s)/, "")}</Box>
          {retry && <Box title="Attempts">{retry}</Box>}
          {wait && <Box title="Waits for it">{wait}</Box>}
          {captures.length > 0 && (
            <Box title="Captures">
              <code>{captures.join(", ")}</code>
            </Box>
          )}
          {step.owner && <Box title="Owner">{step.owner}</Box>}
          {step.runbook && (
            <Box title="Runbook">
              <a href={step.runbook} target="_blank" rel="noreferrer noopener">
                {step.runbook}
              </a>
            </Box>
          )}
        </div>
      </div>
    </div>
  );
}
