import { autocompletion, type CompletionContext, type CompletionResult, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, Transaction } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { Suggestions } from "@/lib/completion";

export type Mark = { from: number; to: number; severity: "error" | "warning"; message: string };
export type YamlEditorProps = {
  text: string;
  label: string;
  marks: readonly Mark[];
  /** Where to look at: changing it scrolls there. */
  show?: { at: number; nonce: number };
  onChange: (text: string) => void;
  onCursor?: (offset: number) => void;
  /** The history is the page's: it holds what forms changed as well. */
  onUndo: () => void;
  onRedo: () => void;
  suggest: (text: string, offset: number) => Suggestions | null;
};

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--error)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--muted)" },
]);

const LOOK = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--text)", backgroundColor: "var(--surface)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "10px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--surface-2)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 24%, transparent)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow-high)" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "4px 10px", fontFamily: "var(--mono)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionInfo": { padding: "8px 10px", maxWidth: "320px", fontFamily: "var(--font)" },
  ".cm-panels": { backgroundColor: "var(--surface-2)", color: "var(--text)" },
  ".cm-textfield, .cm-button": { backgroundColor: "var(--surface)", backgroundImage: "none", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "6px" },
  ".cm-diagnostic": { padding: "6px 10px", fontFamily: "var(--font)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--failed)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--overdue)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--failed)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--overdue)", textUnderlineOffset: "3px" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--surface-3)", border: "none", color: "var(--muted)" },
});

/**
 * YAML to be written in, with completion and faults at their lines. It lives in a shadow root: there its styles are
 * style sheets made by script, which a content policy without inline styles allows. The place around it shows the focus.
 */
export function YamlEditor({ text, label, marks, show, onChange, onCursor, onUndo, onRedo, suggest }: YamlEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const calls = useRef({ onChange, onCursor, onUndo, onRedo, suggest });
  const start = useRef(text);
  useEffect(() => {
    calls.current = { onChange, onCursor, onUndo, onRedo, suggest };
  });

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const complete = (context: CompletionContext): CompletionResult | null => {
      const found = calls.current.suggest(context.state.doc.toString(), context.pos);
      if (!found || (!context.explicit && found.from === context.pos && !/[\s{,-]$/.test(context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos)))) return null;
      return { from: found.from, options: found.items.map((item) => ({ ...item, type: "property" })), validFor: /^[\w./-]*$/ };
    };
    const passOn = (call: () => void) => () => {
      call();
      return true;
    };
    const pageHistory = [
      { key: "Mod-z", run: passOn(() => calls.current.onUndo()), preventDefault: true },
      { key: "Mod-y", mac: "Mod-Shift-z", run: passOn(() => calls.current.onRedo()), preventDefault: true },
      { linux: "Ctrl-Shift-z", run: passOn(() => calls.current.onRedo()), preventDefault: true },
    ];
    const made = new EditorView({
      parent: root as unknown as Element,
      root,
      state: EditorState.create({
        doc: start.current,
        extensions: [
          lineNumbers(),
          foldGutter(),
          lintGutter(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          yaml(),
          syntaxHighlighting(COLOURS),
          autocompletion({ override: [complete], icons: false }),
          keymap.of([...pageHistory, ...completionKeymap, ...defaultKeymap, ...searchKeymap, ...foldKeymap, indentWithTab]),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            const own = update.transactions.some((transaction) => transaction.annotation(Transaction.remote));
            if (update.docChanged && !own) calls.current.onChange(update.state.doc.toString());
            if (update.selectionSet && !own) calls.current.onCursor?.(update.state.selection.main.head);
          }),
          LOOK,
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [label]);

  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const old = made.state.doc.toString();
    if (old !== text) made.dispatch({ changes: smallest(old, text), annotations: Transaction.remote.of(true) });
  }, [text]);

  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const end = made.state.doc.length;
    const found = marks.map((mark): Diagnostic => ({ ...mark, from: Math.min(mark.from, end), to: Math.min(Math.max(mark.to, mark.from), end) }));
    made.dispatch(setDiagnostics(made.state, found));
  }, [marks]);

  useEffect(() => {
    const made = view.current;
    if (!made || !show) return;
    made.dispatch({ effects: EditorView.scrollIntoView(Math.min(show.at, made.state.doc.length), { y: "start", yMargin: 60 }) });
  }, [show]);

  return <div ref={host} className="yaml-editor" />;
}

/** The one change that leads from one text to the other, so that the cursor stays where it is. */
function smallest(old: string, text: string): { from: number; to: number; insert: string } {
  let from = 0;
  while (from < old.length && from < text.length && old[from] === text[from]) from += 1;
  let back = 0;
  while (back < old.length - from && back < text.length - from && old[old.length - 1 - back] === text[text.length - 1 - back]) back += 1;
  return { from, to: old.length - back, insert: text.slice(from, text.length - back) };
}
