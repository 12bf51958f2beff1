/** What can be undone and done again: whole texts, with what was typed in one go as one step. */
export type History = { past: readonly string[]; text: string; future: readonly string[]; tag: string; at: number };

/** Edits of the same place within this time are one step. */
const ONE_GO_MS = 1200;
const MOST_STEPS = 200;

export const begin = (text: string): History => ({ past: [], text, future: [], tag: "", at: 0 });

/** A new text. Edits with the same tag, shortly one after the other, are undone together; an edit without tag stands alone. */
export function record(history: History, text: string, tag: string, now: number): History {
  if (text === history.text) return history;
  const together = tag !== "" && tag === history.tag && now - history.at < ONE_GO_MS && history.past.length > 0;
  const past = together ? history.past : [...history.past, history.text].slice(-MOST_STEPS);
  return { past, text, future: [], tag, at: now };
}

export function undo(history: History): History {
  const text = history.past.at(-1);
  if (text === undefined) return history;
  return { past: history.past.slice(0, -1), text, future: [history.text, ...history.future], tag: "", at: 0 };
}

export function redo(history: History): History {
  const [text, ...future] = history.future;
  if (text === undefined) return history;
  return { past: [...history.past, history.text], text, future, tag: "", at: 0 };
}
