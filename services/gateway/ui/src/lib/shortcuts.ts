/** Single-key shortcuts. They rest while someone types, while a dialog is open, and with modifier keys. */
import { useEffect, useRef } from "react";

export type Shortcut = { key: string; does: string };

/** What the help dialog lists. */
export const SHORTCUTS: readonly Shortcut[] = [
  { key: "/", does: "Search, or jump to a process or run" },
  { key: "c", does: "Check the process that is open" },
  { key: "n", does: "Next failing step" },
  { key: "p", does: "Previous failing step" },
  { key: "g", does: "Go to the grid of runs; arrow keys move, Enter opens" },
  { key: "Ctrl S", does: "Save, in the editor of a process" },
  { key: "Ctrl Space", does: "Complete, in the YAML of the editor" },
  { key: "?", does: "This help" },
  { key: "Esc", does: "Close a dialog, or leave the wall screen" },
];

/** Looks into shadow roots, where the YAML editor lives. */
function typing(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Calls the handler on a key; a handler that is undefined leaves the key alone. */
export function useShortcut(key: string, handler: (() => void) | undefined): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (!latest.current || (key !== "Escape" && typing(event)) || document.querySelector("dialog[open],[role=menu]")) return;
      event.preventDefault();
      latest.current();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [key]);
}
