import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { restoreRevision } from "@/api/editing";
import { revisionQuery, revisionsQuery } from "@/api/queries";
import type { ProcessView } from "@/api/types";
import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";
import { Loading, Problem } from "@/components/States";
import { TextDiff } from "@/components/TextDiff";
import { Ago } from "@/components/Time";
import styles from "./Editor.module.css";

type Props = { processId: string; current: number; text: string; dirty: boolean; onRestored: (process: ProcessView) => void; onClose: () => void };

/** Every save, its difference to what is in the editor, and the way back to it. */
export function RevisionsDialog({ processId, current, text, dirty, onRestored, onClose }: Props) {
  const query = useInfiniteQuery(revisionsQuery(processId));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const [chosen, setChosen] = useState<number | null>(null);
  const shown = chosen ?? items.find((item) => item.revision < current)?.revision ?? current;
  const revision = useQuery({ ...revisionQuery(processId, shown), enabled: items.length > 0 });
  const [failure, setFailure] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const restore = async () => {
    setBusy(true);
    setFailure(null);
    try {
      onRestored(await restoreRevision(processId, shown, current));
    } catch (error) {
      setFailure(error as Error);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Revisions" subtitle="Every save stays. Restoring an old one saves it again as the newest." onClose={onClose} wide="full">
      {query.isPending && <Loading rows={4} label="Loading revisions" />}
      {query.isError && <Problem compact error={query.error} onRetry={() => void query.refetch()} />}
      <div className={styles.revisions}>
        <ol aria-label="Revisions">
          {items.map((item) => (
            <li key={item.revision}>
              <button type="button" aria-pressed={item.revision === shown} onClick={() => setChosen(item.revision)}>
                <b>Revision {item.revision}</b> {item.revision === current && <i>current</i>}
                <span>
                  <Ago at={item.saved_at} /> by {item.saved_by}
                  {item.restored_from && ` · restored from ${item.restored_from}`}
                </span>
              </button>
            </li>
          ))}
          {query.hasNextPage && (
            <Button look="quiet" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              Show more
            </Button>
          )}
        </ol>
        <div>
          {revision.isError && <Problem compact error={revision.error} onRetry={() => void revision.refetch()} />}
          {revision.isLoading && <Loading rows={4} label="Loading the revision" />}
          {revision.data && <TextDiff before={revision.data.source_yaml} after={text} beforeName={`revision ${shown}`} afterName={dirty ? "as it is in the editor" : `revision ${current}`} />}
        </div>
      </div>
      {failure && <Problem compact error={failure} />}
      <DialogActions>
        {dirty && shown !== current && <p className={styles.beside}>What is not saved yet can be taken back with Undo.</p>}
        <Button onClick={onClose}>Close</Button>
        <Button look="primary" busy={busy} disabled={shown === current || !revision.data} onClick={() => void restore()}>
          Restore revision {shown}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
