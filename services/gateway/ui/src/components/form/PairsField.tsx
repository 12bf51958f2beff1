import { type ReactNode, useId, useState } from "react";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { expectedOf, expectedText } from "@/lib/assertion";
import { isName } from "@/lib/ids";
import styles from "./SchemaForm.module.css";

type Props = { label: ReactNode; hint?: ReactNode; error?: string | null; value: Record<string, unknown>; onChange: (value: Record<string, unknown> | undefined) => void;
  /** Another name for one of them, when its field is left; without it, names change while they are typed. */
  onRename?: (old: string, name: string) => void;
};

/** Names with values, such as headers. A row without a name is not saved yet. */
export function PairsField({ label, hint, error, value, onChange, onRename }: Props) {
  const id = useId();
  const [draft, setDraft] = useState<[string, string][] | null>(null);
  const rows = draft ?? Object.entries(value).map(([name, item]): [string, string] => [name, expectedText(item)]);
  const change = (next: [string, string][]) => {
    setDraft(next);
    const named = next.filter(([name]) => name.trim() !== "").map(([name, text]): [string, unknown] => [name.trim(), expectedOf(text, "eq")]);
    onChange(named.length ? Object.fromEntries(named) : undefined);
  };
  const known = Object.keys(value);
  const type = (index: number, name: string) => {
    const next = rows.map((row, at): [string, string] => (at === index ? [name, row[1]] : row));
    // What others refer to has its old name until the new one is complete.
    if (onRename && known[index] !== undefined) setDraft(next);
    else change(next);
  };
  const leave = (index: number, name: string) => {
    const old = known[index];
    if (!onRename || old === undefined || name === old) return;
    if (isName(name) && !known.includes(name)) onRename(old, name);
    setDraft(null);
  };
  return (
    <fieldset className={styles.pairs} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && rows.every(([name]) => name.trim()) && setDraft(null)}>
      <legend>{label}</legend>
      {hint && <p className={styles.about}>{hint}</p>}
      {rows.map(([name, text], index) => (
        <div key={index} className={styles.pair}>
          <input
            aria-label={`Name ${index + 1}`}
            value={name}
            placeholder="name"
            onChange={(event) => type(index, event.target.value)}
            onBlur={() => leave(index, name.trim())}
            onKeyDown={(event) => event.key === "Enter" && leave(index, name.trim())}
          />
          <input aria-label={`Value of ${name || `row ${index + 1}`}`} value={text} placeholder="value" onChange={(event) => change(rows.map((row, at) => (at === index ? [row[0], event.target.value] : row)))} />
          <button type="button" className={styles.remove} aria-label={`Remove ${name || `row ${index + 1}`}`} onClick={() => change(rows.filter((_, at) => at !== index))}>
            <Icon name="cross" size={14} />
          </button>
        </div>
      ))}
      {error && (
        <p className={styles.error} id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
      <Button look="quiet" onClick={() => setDraft([...rows, ["", ""]])}>
        <Icon name="plus" size={14} /> Add
      </Button>
    </fieldset>
  );
}
