import clsx from "clsx";
import type { StepView } from "@/api/types";
import { Box } from "@/components/Page";
import { failureWord, tone, word } from "@/lib/status";
import styles from "./EvidencePanel.module.css";

/** Whom to ask and what to look at first. */
export function FirstAidTab({ step }: { step: StepView }) {
  const bad = step.failure_class !== null && step.failure_class !== undefined;
  return (
    <div className={clsx(styles.stack, `tone-${tone(step.status)}`)}>
      {bad && (
        <p className={styles.message}>
          <b>{failureWord(step.failure_class)}</b>
          {step.reason && step.reason !== step.failure_class && ` · ${step.reason.replaceAll("_", " ")}`}
          {step.message && ` · ${step.message}`}
        </p>
      )}
      {step.first_aid && <Box title={`What to look at first · ${failureWord(step.failure_class) ?? word(step.status)}`}>{step.first_aid}</Box>}
      <div className={styles.pair}>
        <Box title="Owner">{step.owner ?? "nobody is named"}</Box>
        <Box title="Runbook">
          {step.runbook ? (
            <a href={step.runbook} target="_blank" rel="noreferrer noopener">
              {step.runbook}
            </a>
          ) : (
            "none is named for this step"
          )}
        </Box>
      </div>
      {!bad && !step.first_aid && <p className={styles.quiet}>This step needs no help.</p>}
    </div>
  );
}
