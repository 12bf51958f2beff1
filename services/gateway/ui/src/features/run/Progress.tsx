import clsx from "clsx";
import type { StepView } from "@/api/types";
import { isOpenStep, tone, word } from "@/lib/status";
import styles from "./Progress.module.css";

/** One piece of bar per planned step, each in the colour of its state. */
export function Progress({ steps }: { steps: readonly StepView[] }) {
  const done = steps.filter((step) => !isOpenStep(step.status)).length;
  return (
    <div className={styles.bar} role="progressbar" aria-label="Steps done" aria-valuemin={0} aria-valuemax={steps.length} aria-valuenow={done} aria-valuetext={`${done} of ${steps.length} steps`}>
      {steps.map((step) => (
        <i key={step.step_id} title={`${step.number} ${step.name}: ${word(step.status)}`} className={clsx(`tone-${tone(step.status)}`, styles[tone(step.status)])} />
      ))}
    </div>
  );
}
