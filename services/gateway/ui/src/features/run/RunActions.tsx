import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { startRun } from "@/api/commands";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { failedStep } from "@/lib/chain";
import { isOpenRun } from "@/lib/status";
import { CancelDialog } from "./CancelDialog";
import { ExportMenu } from "./ExportMenu";
import styles from "./RunActions.module.css";
import { ShareButton } from "./ShareButton";
import type { Shown } from "./types";

type Props = {
  shown: Shown;
  canCheck: boolean;
  mayStart: boolean;
  inactive: boolean;
  onCheck: () => void;
  onStarted: (runId: string) => void;
  onProblem: (message: string | null) => void;
};

/** What can be done with the run. On a phone the row lies under the thumb. */
export function RunActions({ shown, canCheck, mayStart, inactive, onCheck, onStarted, onProblem }: Props) {
  const { run } = shown;
  const mayCancel = useMay("runs.cancel");
  const [cancelling, setCancelling] = useState(false);
  const failed = run ? failedStep(run) : null;
  const again = useMutation({
    mutationFn: () => startRun({ process_id: shown.processId, from_run: run!.run_id, from_step: failed!.step_id }),
    onMutate: () => onProblem(null),
    onSuccess: (accepted) => onStarted(accepted.run_id),
    onError: (error) => onProblem(error.message),
  });
  const open = isOpenRun(run?.status);
  return (
    <div className={styles.actions}>
      {run && <ShareButton runId={run.run_id} step={shown.step?.step_id} />}
      {run && <ExportMenu runId={run.run_id} />}
      {open && mayCancel && (
        <Button look="danger" onClick={() => setCancelling(true)}>
          Cancel
        </Button>
      )}
      {failed && mayStart && !inactive && (
        <Button busy={again.isPending} onClick={() => again.mutate()} title={`Continue at “${failed.name}” with the values captured before`}>
          From step {failed.number}
        </Button>
      )}
      <Button look="primary" shortcut="c" disabled={!canCheck} onClick={onCheck} title={whyNot(mayStart, inactive)}>
        Check
      </Button>
      {cancelling && run && <CancelDialog run={run} onClose={() => setCancelling(false)} />}
    </div>
  );
}

function whyNot(mayStart: boolean, inactive: boolean): string | undefined {
  if (!mayStart) return "Your role may look, but not start checks";
  return inactive ? "This process is not active. Switch it on in its editor to check it" : undefined;
}
