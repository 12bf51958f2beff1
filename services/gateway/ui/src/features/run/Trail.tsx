import clsx from "clsx";
import { useEffect, useRef, useState } from "react";
import type { Definition, RunView, StepView } from "@/api/types";
import { Button } from "@/components/Button";
import { Card } from "@/components/Page";
import { StatusIcon } from "@/components/Status";
import { checkConnection, keptFrom, timeShares } from "@/lib/chain";
import { ordinal } from "@/lib/format";
import { foldChain, isRemarkable } from "@/lib/fold";
import { isOpenRun, kindWord, tone, word } from "@/lib/status";
import { FoldedSteps } from "./FoldedSteps";
import { StepTimes } from "./StepTimes";
import styles from "./Trail.module.css";

type Props = {
  steps: readonly StepView[];
  definition: Definition | null;
  run: RunView | null;
  selected: string | null;
  onSelect: (stepId: string) => void;
};

const NONE: ReadonlySet<string> = new Set();

/** The whole planned chain as a trail, live. In a run the chosen step and what needs a look are open, the others one line. */
export function Trail({ steps, definition, run, selected, onSelect }: Props) {
  const [unfolded, setUnfolded] = useState(NONE);
  const kept = selected === null ? unfolded : new Set([...unfolded, selected]);
  const rows = run === null ? steps.map((step) => ({ step })) : foldChain(steps, kept);
  const shares = timeShares(run === null ? [] : steps);
  return (
    <Card aria-label="Steps">
      <ol className={styles.trail}>
        {rows.map((row) =>
          "fold" in row ? (
            <FoldedSteps key={row.fold.first.step_id} fold={row.fold} onUnfold={() => setUnfolded(new Set([...unfolded, ...row.fold.steps.map((step) => step.step_id)]))} />
          ) : (
            <TrailStep
              key={row.step.step_id}
              step={row.step}
              connection={checkConnection(definition?.steps.find((one) => one.id === row.step.step_id)?.check)}
              runOpen={isOpenRun(run?.status)}
              kept={keptFrom(run, row.step) !== null}
              planned={run === null}
              selected={row.step.step_id === selected}
              share={shares.get(row.step.step_id) ?? 0}
              onSelect={onSelect}
            />
          ),
        )}
      </ol>
      {unfolded.size > 0 && (
        <div className={styles.again}>
          <Button look="quiet" onClick={() => setUnfolded(NONE)}>
            Fold what passed
          </Button>
        </div>
      )}
    </Card>
  );
}

type StepProps = { step: StepView; connection: string | null; runOpen: boolean; kept: boolean; planned: boolean; selected: boolean; share: number; onSelect: (stepId: string) => void };

function TrailStep({ step, connection, runOpen, kept, planned, selected, share, onSelect }: StepProps) {
  const button = useRef<HTMLButtonElement>(null);
  const wasSelected = useRef(selected);
  useEffect(() => {
    // Jumping with the keyboard brings the step into view; the first opening leaves the page where it is.
    if (selected && !wasSelected.current) button.current?.scrollIntoView({ block: "nearest" });
    wasSelected.current = selected;
  }, [selected]);
  const state = tone(step.status);
  const folded = !planned && !selected && !isRemarkable(step);
  return (
    <li className={clsx(styles.item, styles[state], `tone-${state}`)}>
      <button
        ref={button}
        type="button"
        className={clsx(styles.step, selected && styles.selected, folded && styles.folded)}
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
            {kept && (
              <i className={styles.badge} title="Passed in the run that this one continues">
                kept
              </i>
            )}
          </span>
          {!folded && (
            <span className={styles.kind}>
              {kindWord(step.check_type)}
              {connection && ` · ${connection}`}
              <Attempts step={step} />
            </span>
          )}
          <span className="visually-hidden">, {planned ? "planned" : word(step.status)}</span>
        </span>
        <StepTimes step={step} runOpen={runOpen} planned={planned} inline={folded} />
        {share > 0 && <Share of={share} />}
      </button>
    </li>
  );
}

/** How much of the run's time was spent at this step, as a line below it. */
function Share({ of }: { of: number }) {
  const words = `${Math.round(of * 100)}\u00a0% of the run's time`;
  return (
    <span className={styles.share} title={words}>
      <i style={{ width: `${of * 100}%` }} />
      <span className="visually-hidden">, {words}</span>
    </span>
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
