import { useCallback, useMemo, useState } from "react";
import { type Draft, seeDraft } from "@/lib/draft";
import { begin, record, redo, undo } from "@/lib/history";

/** Changes the text; edits with the same tag, made in one go, are undone together. */
export type Edit = (change: (text: string) => string, tag?: string) => void;
export type DraftState = { draft: Draft; edit: Edit; undo: () => void; redo: () => void; canUndo: boolean; canRedo: boolean };

/** The text that is being written, the one truth of form and YAML, with what can be undone. */
export function useDraft(initial: string): DraftState {
  const [history, setHistory] = useState(() => begin(initial));
  const draft = useMemo(() => seeDraft(history.text), [history.text]);
  const edit = useCallback<Edit>((change, tag = "") => {
    const now = Date.now();
    setHistory((current) => record(current, change(current.text), tag, now));
  }, []);
  return {
    draft,
    edit,
    undo: useCallback(() => setHistory(undo), []),
    redo: useCallback(() => setHistory(redo), []),
    canUndo: history.past.length > 0,
    canRedo: history.future.length > 0,
  };
}
