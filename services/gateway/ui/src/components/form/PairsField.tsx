import { type ReactNode, useId, useState } from "react";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { expectedOf, expectedText } from "@/lib/assertion";
import styles from "./SchemaForm.module.css";

type Props = { label: ReactNode; hint?: ReactNode; error?: string | null; value: Record<string, unknown>; onChange: (value: Record<string, unknown> | undefined) => void };

/** Names with values, such as headers. A row without a name is not saved yet. */
export function PairsField({ label, hint, error, value, onChange }: Props) {
  const id = useId();
  const [draft, setDraft] = useState<[string, string][] | null>(null);
  const rows = draft ?? Object.entries(value).map(([name, item]): [string, string] => [name, expectedText(item)]);
  const change = (next: [string, string][]) => {
    setDraft(next);
    const named = next.filter(([name]) => name.trim() !== "").map(([name, text]): [string, unknown] => [name.trim(), expectedOf(text, "eq")]);
    onChange(named.length ? Object.fromEntries(named) : undefined);
  };
  return (
    <fieldset className={styles.pairs} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && rows.every(([name]) => name.trim()) && setDraft(null)}>
      <legend>{label}</legend>
      {hint && <p className={styles.about}>{hint}</p>}
      {rows.map(([name, text], index) => (
        <div key={index} className={styles.pair}>
          <input aria-label={`Name ${index + 1}`} value={name} placeholder="name" onChange={(event) => change(rows.map((row, at) => (at === index ? [event.target.value, row[1]] : row)))} />
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
