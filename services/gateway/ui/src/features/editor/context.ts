import { createContext, useContext } from "react";
import type { ConnectionName } from "@/api/editing";
import type { TriedStep } from "@/api/editing";
import type { Draft } from "@/lib/draft";
import type { Issue } from "@/lib/issues";
import type { Schema } from "@/lib/schema";
import type { Edit } from "./useDraft";

/** What every part of the editor looks at. */
export type Editor = {
  draft: Draft;
  schema: Schema;
  edit: Edit;
  issues: readonly Issue[];
  errors: Readonly<Record<string, string>>;
  connections: readonly ConnectionName[];
  /** Answers of tried steps by step id; they lend their captures to later steps. */
  tried: Readonly<Record<string, TriedStep>>;
  onTried: (stepId: string, answer: TriedStep) => void;
  /** Says what was done, with a way back. */
  onDone: (words: string) => void;
  mayTry: boolean;
  isNew: boolean;
};

export const EditorContext = createContext<Editor | null>(null);

export function useEditor(): Editor {
  const editor = useContext(EditorContext);
  if (!editor) throw new Error("This part belongs inside the editor.");
  return editor;
}
