import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { saveProcess } from "@/api/editing";
import { processQuery } from "@/api/queries";
import type { ProcessView } from "@/api/types";
import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";
import { Loading, Problem } from "@/components/States";
import { TextDiff } from "@/components/TextDiff";
import styles from "./Editor.module.css";

type Props = { processId: string; text: string; onSaved: (process: ProcessView) => void; onTake: (process: ProcessView) => void; onClose: () => void };

/** Somebody else saved in between: shows what they did beside what is here, and lets the person choose. */
export function ConflictDialog({ processId, text, onSaved, onTake, onClose }: Props) {
  const theirs = useQuery({ ...processQuery(processId), staleTime: 0, refetchOnMount: "always" });
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const process = theirs.isFetching ? undefined : theirs.data;
  const overwrite = async () => {
    if (!process) return;
    setBusy(true);
    setFailure(null);
    try {
      onSaved(await saveProcess(processId, text, process.revision));
    } catch (error) {
      setFailure(error as Error);
      setBusy(false);
      await theirs.refetch();
    }
  };
  return (
    <Dialog title="Somebody else saved in between" subtitle={process && `${process.updated_by} saved revision ${process.revision} while you were editing.`} onClose={onClose} wide="full">
      {theirs.isFetching && <Loading rows={4} label="Loading what they saved" />}
      {theirs.isError && <Problem compact error={theirs.error} onRetry={() => void theirs.refetch()} />}
      {process && <TextDiff before={process.source_yaml} after={text} beforeName={`revision ${process.revision} of ${process.updated_by}`} afterName="yours" />}
      {failure && <Problem compact error={failure} />}
      <p className={styles.beside}>Either way nothing is lost: their save stays among the revisions, and yours can be brought back with Undo.</p>
      <DialogActions>
        <Button onClick={onClose}>Keep editing</Button>
        <Button disabled={!process} onClick={() => process && onTake(process)}>
          Take theirs
        </Button>
        <Button look="primary" busy={busy} disabled={!process} onClick={() => void overwrite()}>
          Save mine over it
        </Button>
      </DialogActions>
    </Dialog>
  );
}
