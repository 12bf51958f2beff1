import clsx from "clsx";
import { useEffect, useRef } from "react";
import type { Definition, RunView, StepView } from "@/api/types";
import { Card } from "@/components/Page";
import { StatusIcon } from "@/components/Status";
import { checkConnection } from "@/lib/chain";
import { ordinal } from "@/lib/format";
import { isOpenRun, kindWord, tone, word } from "@/lib/status";
import { StepTimes } from "./StepTimes";
import styles from "./Trail.module.css";

type Props = {
  steps: readonly StepView[];
  definition: Definition | null;
  run: RunView | null;
  selected: string | null;
  onSelect: (stepId: string) => void;
};

/** The whole planned chain as a trail, live. */
export function Trail({ steps, definition, run, selected, onSelect }: Props) {
  return (
    <Card aria-label="Steps">
      <ol className={styles.trail}>
        {steps.map((step) => (
          <TrailStep
            key={step.step_id}
            step={step}
            connection={checkConnection(definition?.steps.find((one) => one.id === step.step_id)?.check)}
            runOpen={isOpenRun(run?.status)}
            planned={run === null}
            selected={step.step_id === selected}
            onSelect={onSelect}
          />
        ))}
      </ol>
    </Card>
  );
}

type StepProps = { step: StepView; connection: string | null; runOpen: boolean; planned: boolean; selected: boolean; onSelect: (stepId: string) => void };

function TrailStep({ step, connection, runOpen, planned, selected, onSelect }: StepProps) {
  const button = useRef<HTMLButtonElement>(null);
  const wasSelected = useRef(selected);
  useEffect(() => {
    // Jumping with the keyboard brings the step into view; the first opening leaves the page where it is.
    if (selected && !wasSelected.current) button.current?.scrollIntoView({ block: "nearest" });
    wasSelected.current = selected;
  }, [selected]);
  const state = tone(step.status);
  return (
    <li className={clsx(styles.item, styles[state], `tone-${state}`)}>
      <button
        ref={button}
        type="button"
        className={clsx(styles.step, selected && styles.selected)}
        aria-current={selected ? "step" : undefined}
        data-step={step.step_id}
        data-status={step.status}
        onClick={() => onSelect(step.step_id)}
      >
        <StatusIcon status={step.status} />
        <span className={styles.body}>
          <span className={styles.title}>
            <b>{step.number}</b> {step.name}
            {step.always_run && <i className={styles.badge}>always</i>}
          </span>
          <span className={styles.kind}>
            {kindWord(step.check_type)}
            {connection && ` · ${connection}`}
            <Attempts step={step} />
          </span>
          <span className="visually-hidden">, {planned ? "planned" : word(step.status)}</span>
        </span>
        <StepTimes step={step} runOpen={runOpen} planned={planned} />
      </button>
    </li>
  );
}

/** Which attempt this is, as soon as there is more than one. Looks of a waiting step are no attempts. */
function Attempts({ step }: { step: StepView }) {
  const attempt = step.attempt ?? 0;
  const of = step.of_attempts ?? 1;
  if (attempt < 2) return null;
  const words = step.waiting_until ? `${attempt} looks` : `${ordinal(attempt)} of ${of} attempts`;
  return (
    <>
      {" · "}
      <span className={styles.attempts}>{words}</span>
    </>
  );
}
