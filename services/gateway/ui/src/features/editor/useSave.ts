import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiProblem } from "@/api/client";
import { createProcess, saveProcess } from "@/api/editing";
import { processQuery } from "@/api/queries";
import type { ProcessView } from "@/api/types";
import type { Draft } from "@/lib/draft";
import type { Beginning } from "./EditorPage";

type Options = { draft: Draft; beginning: Beginning; process: ProcessView | null; onCreated: (process: ProcessView) => void; onSaved: (words: string) => void };

const PRECONDITION_FAILED = 412;

/** Saving on top of the revision that was read. What others saved in between is never overwritten unasked. */
export function useSave({ draft, beginning, process, onCreated, onSaved }: Options) {
  const queries = useQueryClient();
  const [saved, setSaved] = useState(process);
  const [baseline, setBaseline] = useState(process ? process.source_yaml : beginning.yaml);
  const [conflict, setConflict] = useState(false);
  const publish = (next: ProcessView) => {
    queries.setQueryData(processQuery(next.process_id).queryKey, next);
    for (const resource of ["processes", "overview", "facets"]) void queries.invalidateQueries({ queryKey: [resource] });
    void queries.invalidateQueries({ queryKey: ["process", next.process_id, "revisions"] });
  };
  const rebase = (next: ProcessView) => {
    publish(next);
    setSaved(next);
    setBaseline(next.source_yaml);
  };
  const finish = (next: ProcessView, text = draft.text) => {
    publish(next);
    setSaved(next);
    setBaseline(text);
    setConflict(false);
    onSaved(`Saved as revision ${next.revision}.`);
  };
  const mutation = useMutation({
    mutationFn: (text: string) => (saved ? saveProcess(saved.process_id, text, saved.revision) : createProcess(text)),
    onSuccess: (next, text) => {
      if (saved) return finish(next, text);
      publish(next);
      onCreated(next);
    },
    onError: (error) => {
      if (saved && error instanceof ApiProblem && error.status === PRECONDITION_FAILED) setConflict(true);
    },
  });
  const dirty = draft.text !== baseline;
  const save = () => {
    if (!mutation.isPending && draft.faults.length === 0 && (dirty || saved === null)) mutation.mutate(draft.text);
  };
  const expected = mutation.error instanceof ApiProblem && saved && mutation.error.status === PRECONDITION_FAILED;
  return { saved, dirty, conflict, save, finish, rebase, busy: mutation.isPending, failure: mutation.error && !expected && mutation.variables === draft.text ? worded(mutation.error) : null, compare: () => setConflict(true), closeConflict: () => setConflict(false) };
}

/** Faults of the definition stand at their fields and lines; here it is enough to say that they are why. */
function worded(error: Error): { message: string } {
  if (!(error instanceof ApiProblem) || error.errors.length === 0) return error;
  const [first, ...more] = error.errors;
  const place = first!.path.replace(/^body\.?/, "");
  return { message: `Not saved. ${place ? `${place}: ` : ""}${first!.message}${more.length ? `, and ${more.length} more` : ""}.` };
}
