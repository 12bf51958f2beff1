import clsx from "clsx";
import type { AssertionOutcome, StepView } from "@/api/types";
import { Box } from "@/components/Page";
import { Ago, Clock } from "@/components/Time";
import { heldUp } from "@/lib/chain";
import { formatDuration } from "@/lib/format";
import { failureWord, isOpenStep, tone, word } from "@/lib/status";
import { addedWords, inUnit, showExpectation, showValue } from "@/lib/value";
import styles from "./EvidencePanel.module.css";

/** What should be, beside what is. */
export function ExpectedTab({ step }: { step: StepView }) {
  const assertions = step.assertions ?? [];
  return (
    <div className={clsx(styles.stack, `tone-${isOpenStep(step.status) || step.status === "success" ? "overdue" : tone(step.status)}`)}>
      {assertions.length > 0 ? <AssertionTable assertions={assertions} /> : <p className={styles.quiet}>{whyNothing(step)}</p>}
      <Message step={step} />
      <div className={styles.pair}>
        {step.since_at && <Allowance step={step} />}
        {(step.findings ?? []).map((finding, index) => (
          <Box key={index} title={finding.label}>
            <code>{showValue(inUnit(finding.label, finding.value))}</code>
          </Box>
        ))}
      </div>
      {step.first_aid && (
        <Box title={`First aid · ${failureWord(step.failure_class) ?? word(step.status)}`}>
          {step.first_aid}
          {step.runbook && (
            <>
              {" "}
              <a href={step.runbook} target="_blank" rel="noreferrer noopener">
                Runbook
              </a>
            </>
          )}
        </Box>
      )}
    </div>
  );
}

function AssertionTable({ assertions }: { assertions: readonly AssertionOutcome[] }) {
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">Assertion</th>
          <th scope="col">Expected</th>
          <th scope="col">Actual</th>
          <th scope="col">
            <span className="visually-hidden">Met</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {assertions.map((assertion, index) => (
          <tr key={index}>
            <td>
              <code>{assertion.label}</code>
            </td>
            <td>
              <code>{showExpectation(assertion.operator, inUnit(assertion.label, assertion.expected))}</code>
            </td>
            <td>
              <Actual assertion={assertion} />
            </td>
            <td className={assertion.met ? styles.met : styles.unmet}>{assertion.met ? "met" : "not met"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The value; where there was none, why. */
function Actual({ assertion: { actual, label, message } }: { assertion: AssertionOutcome }) {
  const words = addedWords(label, message);
  if (words && (actual === null || actual === undefined)) return <>{words}</>;
  // A message with `expected` in it only repeats the row.
  const more = message && words === message ? message : null;
  return (
    <>
      <code>{showValue(inUnit(label, actual ?? null))}</code>
      {more && <small>{more}</small>}
    </>
  );
}

/** The sentence of the failure, when it says more than the table does. */
function Message({ step }: { step: StepView }) {
  if (!step.message || isOpenStep(step.status)) return null;
  if ((step.assertions ?? []).some((one) => !one.met && (step.failure_class === "assertion" || one.message === step.message))) return null;
  return (
    <p className={styles.message}>
      <b>{failureWord(step.failure_class) ?? word(step.status)}</b> · {step.message}
    </p>
  );
}

function whyNothing(step: StepView): string {
  if (step.status === "skipped") return `Skipped: ${step.reason ?? "an earlier step ended the chain"}.`;
  if (step.status === "cancelled") return "The run was cancelled before this step was done.";
  if (step.status === "pending") return "This step has not started yet.";
  if (heldUp(step) && step.message) return `Not asked yet: ${step.message}.`;
  if (isOpenStep(step.status)) return "Looking… the comparison appears as soon as the answer is there.";
  if (step.status === "success") return "This step has no assertions of its own: it passed because nothing went wrong.";
  return "Nothing could be compared.";
}

function Allowance({ step }: { step: StepView }) {
  const over = step.status === "overdue";
  return (
    <Box title="Allowance">
      {step.expect_within_seconds != null && <>{formatDuration(step.expect_within_seconds)} </>}
      counted from <Clock at={step.since_at!} />
      {step.due_at && (
        <>
          , {over ? "ended" : "ends"} <Clock at={step.due_at} />.{" "}
          {over ? (
            <>
              It was due <Ago at={step.due_at} />.
            </>
          ) : (
            step.status !== "success" && (
              <>
                Due <Ago at={step.due_at} />.
              </>
            )
          )}
        </>
      )}
    </Box>
  );
}
