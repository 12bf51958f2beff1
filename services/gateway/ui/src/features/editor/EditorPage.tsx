import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { connectionNamesQuery, type TriedStep } from "@/api/editing";
import type { ProcessView } from "@/api/types";
import { useMay } from "@/api/useMe";
import { LeaveGuard } from "@/components/LeaveGuard";
import { Page } from "@/components/Page";
import { Problem } from "@/components/States";
import { type Lost } from "@/lib/import";
import { errorsByPath } from "@/lib/issues";
import { rangeOf } from "@/lib/draft";
import type { Schema } from "@/lib/schema";
import { ConflictDialog } from "./ConflictDialog";
import { type Editor, EditorContext } from "./context";
import { DeleteDialog } from "./DeleteDialog";
import styles from "./Editor.module.css";
import { EditorHead } from "./EditorHead";
import { LostReport } from "./LostReport";
import { Newer } from "./Newer";
import { Notice } from "./Notice";
import { PlanDialog } from "./PlanDialog";
import { ProcessForm } from "./ProcessForm";
import { RevisionsDialog } from "./RevisionsDialog";
import { StepList } from "./StepList";
import { type Side, Toolbar } from "./Toolbar";
import { type Edit, useDraft } from "./useDraft";
import { useEditorKeys } from "./useEditorKeys";
import { useIssues } from "./useIssues";
import { useSave } from "./useSave";
import { YamlPane } from "./YamlPane";

export type Beginning = { yaml: string; lost?: readonly Lost[] };
type Props = { schema: Schema; beginning: Beginning; /** The saved process; null for a new one. */ process: ProcessView | null; onCreated: (process: ProcessView) => void };

/** Form and YAML side by side: one text, two ways to write it. */
export function EditorPage({ schema, beginning, process, onCreated }: Props) {
  const { draft, edit: change, undo, redo, canUndo, canRedo } = useDraft(beginning.yaml);
  const { issues, settled, failure } = useIssues(draft);
  const errors = useMemo(() => errorsByPath(issues), [issues]);
  const mayTry = useMay("steps.try");
  const connections = useQuery({ ...connectionNamesQuery, enabled: useMay("connections.read") }).data ?? [];
  const [tried, setTried] = useState<Record<string, TriedStep>>({});
  const [notice, setNotice] = useState<string | null>(null);
  const quiet = useCallback(() => setNotice(null), []);
  // A notice offers to undo what it tells of: the next edit ends it.
  const edit = useCallback<Edit>((...given) => (quiet(), change(...given)), [quiet, change]);
  const [open, setOpen] = useState<number | null>(process ? null : 0);
  const [show, setShow] = useState<{ at: number; nonce: number }>();
  const [side, setSide] = useState<Side>("form");
  const [dialog, setDialog] = useState<"plan" | "revisions" | "delete" | null>(null);
  const saving = useSave({ draft, beginning, process, onCreated, onSaved: setNotice });
  const { saved, dirty, conflict } = saving;
  const look = (at: number) => setShow((before) => ({ at, nonce: (before?.nonce ?? 0) + 1 }));
  const openStep = (index: number | null) => {
    setOpen(index);
    if (index !== null) look(rangeOf(draft.document, ["steps", index]).from);
  };
  const take = (next: ProcessView, words: string) => {
    edit(() => next.source_yaml);
    saving.rebase(next);
    setDialog(null);
    setNotice(words);
  };
  useEditorKeys({ save: saving.save, undo, redo });

  const editor: Editor = { draft, schema, edit, issues, errors, connections, tried, onTried: (id, answer) => setTried((all) => ({ ...all, [id]: answer })), onDone: setNotice, mayTry, isNew: saved === null };
  const readable = draft.faults.length === 0;
  const name = typeof draft.value.name === "string" ? draft.value.name : "";
  return (
    <EditorContext value={editor}>
      <Page title={saved ? `Edit ${name}` : "New process"} className={styles.page}>
        <div className={styles.top}>
        <EditorHead saved={saved} name={name} dirty={dirty} />
        <Toolbar
          {...{ canUndo, canRedo, side, onSide: setSide }}
          onUndo={undo}
          onRedo={redo}
          onPlan={() => setDialog("plan")}
          onRevisions={saved && (() => setDialog("revisions"))}
          processId={saved?.process_id ?? null}
          onDelete={() => setDialog("delete")}
          saving={saving.busy}
          canSave={readable && (dirty || saved === null)}
          onSave={saving.save}
        />
        </div>
        {(saving.failure ?? failure) && (
          <div className={styles.problem}>
            <Problem compact error={(saving.failure ?? failure)!} />
          </div>
        )}
        {process && saved && <Newer process={process} saved={saved} dirty={dirty} onTake={() => take(process, `Revision ${process.revision} was loaded.`)} onCompare={saving.compare} />}
        {beginning.lost && <LostReport lost={beginning.lost} />}
        <div className={styles.two} data-side={side}>
          <fieldset className={styles.form} disabled={!readable} aria-label="Form">
            {!readable && <p className={styles.waiting}>The form waits until the YAML can be read: line {draft.faults[0]?.line}.</p>}
            <ProcessForm />
            <StepList open={open} onOpen={openStep} />
          </fieldset>
          <YamlPane show={show} settled={settled} onShow={(at) => { setSide("yaml"); look(at); }} onStep={setOpen} onUndo={undo} onRedo={redo} />
        </div>
        <Notice words={notice} onUndo={canUndo ? undo : undefined} onClose={quiet} />
      </Page>
      {dialog === "plan" && <PlanDialog document={draft.value} onClose={() => setDialog(null)} />}
      {dialog === "revisions" && saved && (
        <RevisionsDialog processId={saved.process_id} current={saved.revision} text={draft.text} dirty={dirty} onRestored={(next) => take(next, `Restored as revision ${next.revision}.`)} onClose={() => setDialog(null)} />
      )}
      {dialog === "delete" && saved && <DeleteDialog process={saved} onClose={() => setDialog(null)} />}
      {conflict && saved && (
        <ConflictDialog
          processId={saved.process_id}
          text={draft.text}
          onSaved={saving.finish}
          onTake={(theirs) => {
            saving.closeConflict();
            take(theirs, `Revision ${theirs.revision} was loaded.`);
          }}
          onClose={saving.closeConflict}
        />
      )}
      <LeaveGuard dirty={dirty} what="process" />
    </EditorContext>
  );
}
