import type { ReactNode } from "react";
import { Button } from "@/components/Button";
import { Fold } from "@/components/Fold";
import { Icon } from "@/components/Icon";
import { isRecord, type Path } from "@/lib/draft";
import { labelOf, type Schema } from "@/lib/schema";
import { showValue } from "@/lib/value";
import { type FormProps, SchemaForm } from "./SchemaForm";
import styles from "./SchemaForm.module.css";

type Props = Pick<FormProps, "root" | "onChange" | "errors" | "names"> & { label: ReactNode; name: string; hint?: ReactNode; error: string | null; item: Schema; value: readonly unknown[]; path: Path };

/** A list of things with fields of their own, such as schedules: each folds to one line. */
export function RecordsField({ label, name, hint, error, item, value, path, ...rest }: Props) {
  const one = labelOf(name).toLowerCase().replace(/ies$/, "y").replace(/s$/, "");
  return (
    <fieldset className={styles.pairs}>
      <legend>{label}</legend>
      {hint && <p className={styles.about}>{hint}</p>}
      {value.map((entry, index) => (
        <Fold key={index} className={styles.entry} open={isRecord(entry) && Object.keys(entry).length === 0}>
          <summary>
            <span>{summaryOf(entry) || `New ${one}`}</span>
          </summary>
          <div className={styles.inside}>
            <SchemaForm schema={item} value={isRecord(entry) ? entry : {}} path={[...path, index]} {...rest} />
            <Button look="quiet" onClick={() => rest.onChange(path, value.length > 1 ? value.filter((_, at) => at !== index) : undefined)}>
              <Icon name="trash" size={14} /> Remove this {one}
            </Button>
          </div>
        </Fold>
      ))}
      {error && (
        <p className={styles.error} role="alert">
          {error}
        </p>
      )}
      <Button look="quiet" onClick={() => rest.onChange(path, [...value, {}])}>
        <Icon name="plus" size={14} /> Add {one}
      </Button>
    </fieldset>
  );
}

/** `every 15m, timezone UTC`: what is set, in one line. */
export function summaryOf(entry: unknown): string {
  if (!isRecord(entry)) return showValue(entry);
  return Object.entries(entry)
    .map(([name, value]) => (value === true ? name.replaceAll("_", " ") : `${name.replaceAll("_", " ")} ${showValue(value)}`))
    .join(", ");
}
