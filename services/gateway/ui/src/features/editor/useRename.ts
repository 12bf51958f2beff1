import { useCallback } from "react";
import type { Path } from "@/lib/draft";
import { changeName, nameIn } from "@/lib/edits";
import { plural } from "@/lib/format";
import { referencesTo } from "@/lib/references";
import { useEditor } from "./context";

/** Gives an input, a variable or a capture another name, wherever expressions take it, and says where that was. */
export function useRename(): (mapping: Path, old: string, name: string) => void {
  const { draft, edit, onDone } = useEditor();
  return useCallback(
    (mapping, old, name) => {
      const called = nameIn(draft.text, mapping, old);
      const uses = called ? referencesTo(draft.text, called) : 0;
      edit(changeName(mapping, old, name));
      onDone(uses > 0 ? `${old} is ${name} now, also in ${plural(uses, "place", "places")} that refer to it.` : `${old} is ${name} now.`);
    },
    [draft.text, edit, onDone],
  );
}
