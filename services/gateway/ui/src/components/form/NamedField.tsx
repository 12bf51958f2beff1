import { type ReactNode, useState } from "react";
import { Button } from "@/components/Button";
import { TextField } from "@/components/Field";
import { Icon } from "@/components/Icon";
import { freeId, idOf, isRecord, type Path } from "@/lib/draft";
import { labelOf, type Schema } from "@/lib/schema";
import { type FormProps, SchemaForm } from "./SchemaForm";
import { summaryOf } from "./RecordsField";
import styles from "./SchemaForm.module.css";

type Props = Pick<FormProps, "root" | "onChange" | "errors" | "names"> & { label: ReactNode; name: string; hint?: string; error: string | null; item: Schema; value: Record<string, unknown>; path: Path; first?: Record<string, unknown> };

/** Things under names of their own, such as inputs and captures: each folds to one line. */
export function NamedField({ label, name, hint, error, item, value, path, first = {}, ...rest }: Props) {
  const one = labelOf(name).toLowerCase().replace(/s$/, "");
  const names = Object.keys(value);
  const [added, setAdded] = useState("");
  const rename = (from: string, to: string) => {
    if (to === from || to in value) return;
    rest.onChange(path, Object.fromEntries(Object.entries(value).map(([key, entry]) => [key === from ? to : key, entry])));
    setAdded(to);
  };
  const add = () => {
    const fresh = freeId(idOf(one), names);
    rest.onChange([...path, fresh], first);
    setAdded(fresh);
  };
  return (
    <fieldset className={styles.pairs}>
      <legend>{label}</legend>
      {hint && <p className={styles.about}>{hint}</p>}
      {Object.entries(value).map(([key, entry]) => (
        <details key={key} className={styles.entry} open={key === added || undefined}>
          <summary>
            <code>{key}</code> <span>{summaryOf(entry)}</span>
          </summary>
          <div className={styles.inside}>
            <NameField name={key} taken={names} onRename={(to) => rename(key, to)} />
            <SchemaForm schema={item} value={isRecord(entry) ? entry : {}} path={[...path, key]} {...rest} />
            <Button look="quiet" onClick={() => rest.onChange([...path, key], undefined)}>
              <Icon name="trash" size={14} /> Remove {key}
            </Button>
          </div>
        </details>
      ))}
      {error && (
        <p className={styles.error} role="alert">
          {error}
        </p>
      )}
      <Button look="quiet" onClick={add}>
        <Icon name="plus" size={14} /> Add {one}
      </Button>
    </fieldset>
  );
}

/** The name is taken over when the field is left: half a name would be another thing. */
function NameField({ name, taken, onRename }: { name: string; taken: readonly string[]; onRename: (to: string) => void }) {
  const [typing, setTyping] = useState<string | null>(null);
  const wanted = typing?.trim() ?? name;
  const fault = wanted !== name && taken.includes(wanted) ? "This name is taken." : /^[a-z][a-z0-9_]{0,62}$/.test(wanted) ? null : "Small letters, digits and _, a letter first.";
  const leave = () => {
    if (fault === null) onRename(wanted);
    setTyping(null);
  };
  return <TextField label="Name" value={typing ?? name} error={fault} onChange={(event) => setTyping(event.target.value)} onBlur={leave} autoComplete="off" spellCheck={false} />;
}
