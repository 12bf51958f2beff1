import { useEffect, useRef } from "react";

type Keys = { save: () => void; undo: () => void; redo: () => void };

/** Ctrl S saves, wherever the focus is. Ctrl Z and Ctrl Y are the page's, except in fields, which undo their own typing. */
export function useEditorKeys(keys: Keys): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      const [target] = event.composedPath();
      const typing = target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA)$/.test(target.tagName));
      const key = event.key.toLowerCase();
      const run = key === "s" ? latest.current.save : typing ? undefined : key === "y" || (key === "z" && event.shiftKey) ? latest.current.redo : key === "z" ? latest.current.undo : undefined;
      if (!run) return;
      event.preventDefault();
      // A field that takes its text over when it is left does so first; what is saved is what is seen.
      if (key === "s" && target instanceof HTMLInputElement) {
        target.blur();
        target.focus();
        setTimeout(() => latest.current.save());
      } else run();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
