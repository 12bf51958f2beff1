import { type ReactNode, useState } from "react";
import { Button } from "@/components/Button";
import { Fold } from "@/components/Fold";
import { Icon } from "@/components/Icon";
import { freeId, idOf, isRecord, type Path } from "@/lib/draft";
import { labelOf, type Schema } from "@/lib/schema";
import { NameField } from "./NameField";
import { type FormProps, SchemaForm } from "./SchemaForm";
import { summaryOf } from "./RecordsField";
import styles from "./SchemaForm.module.css";

type Props = Pick<FormProps, "root" | "onChange" | "onRename" | "errors" | "names"> & { label: ReactNode; name: string; hint?: ReactNode; error: string | null; item: Schema; value: Record<string, unknown>; path: Path; first?: Record<string, unknown> };

/** Things under names of their own, such as inputs and captures: each folds to one line. */
export function NamedField({ label, name, hint, error, item, value, path, first = {}, onRename, ...rest }: Props) {
  const one = labelOf(name).toLowerCase().replace(/s$/, "");
  const names = Object.keys(value);
  const [added, setAdded] = useState("");
  const rename = (from: string, to: string) => {
    if (to === from || to in value) return;
    if (onRename) onRename(path, from, to);
    else rest.onChange(path, Object.fromEntries(Object.entries(value).map(([key, entry]) => [key === from ? to : key, entry])));
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
        <Fold key={key} className={styles.entry} open={key === added}>
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
        </Fold>
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
