import { useMutation, useQueryClient } from "@tanstack/react-query";
import { cancelRun } from "@/api/commands";
import { runQuery } from "@/api/queries";
import type { RunView } from "@/api/types";
import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";
import { Problem } from "@/components/States";

export function CancelDialog({ run, onClose }: { run: RunView; onClose: () => void }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.run_id),
    onSuccess: (after) => {
      queries.setQueryData(runQuery(run.run_id).queryKey, after);
      onClose();
    },
  });
  return (
    <Dialog title="Cancel this run?" onClose={onClose}>
      <p>
        The run {run.key ? `of ${run.key} ` : ""}ends as cancelled. Steps that must always run are still carried out, and what was found so far is kept.
      </p>
      {cancel.isError && <Problem compact error={cancel.error} />}
      <DialogActions>
        <Button onClick={onClose}>Keep running</Button>
        <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel the run
        </Button>
      </DialogActions>
    </Dialog>
  );
}
