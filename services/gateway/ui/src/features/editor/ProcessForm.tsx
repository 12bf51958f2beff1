import type { ReactNode } from "react";
import { TextField } from "@/components/Field";
import { SchemaForm } from "@/components/form/SchemaForm";
import { Card } from "@/components/Page";
import { renameProcess, setIn } from "@/lib/edits";
import { showValue } from "@/lib/value";
import { useEditor } from "./context";
import styles from "./Editor.module.css";
import { useRename } from "./useRename";

const SECTIONS: readonly (readonly [string, readonly string[]])[] = [
  ["Inputs and variables", ["inputs", "key", "vars"]],
  ["When it runs by itself", ["schedule", "maintenance", "timeout", "concurrency"]],
  ["Who is told", ["notify"]],
  ["Usual settings of the steps", ["defaults"]],
  ["Stuck board", ["population"]],
];
const KNOWN = ["version", "process", "name", "steps", "description", "owner", "category", "tags", "active", ...SECTIONS.flatMap(([, names]) => names)];

/** Offered where a schema knows only that it is a text. */
const NAMES = { timezone: ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone.includes("/"))] };

/** What holds for the whole process. */
export function ProcessForm() {
  const { draft, schema, edit, errors, isNew } = useEditor();
  const { value } = draft;
  const change = (path: readonly (string | number)[], next: unknown) => edit(setIn(path, next), path.join("."));
  const onRename = useRename();
  const shared = { root: schema, schema, value, path: [], onChange: change, onRename, errors, names: NAMES };
  const others = Object.keys(schema.properties ?? {}).filter((name) => !KNOWN.includes(name));
  return (
    <Card aria-label="Process" className={styles.process}>
      <div className={styles.names}>
        <TextField label="Name" value={showValue(value.name ?? "")} error={errors.name} onChange={(event) => edit(renameProcess(event.target.value, isNew), "name")} maxLength={200} autoComplete="off" />
        <TextField label="Id" value={showValue(value.process ?? "")} error={errors.process} readOnly={!isNew} hint={isNew ? "Stays the same for ever: history hangs on it." : undefined} onChange={(event) => change(["process"], event.target.value)} autoComplete="off" spellCheck={false} />
      </div>
      <Section title="About" count={setOf(value, ["description", "owner", "category", "tags"])}>
        <SchemaForm {...shared} only={["description", "owner", "category", "tags", "active"]} />
      </Section>
      {[...SECTIONS, ...(others.length ? [["More", others] as const] : [])].map(([title, names]) => (
        <Section key={title} title={title} count={setOf(value, names)}>
          <SchemaForm {...shared} only={names} />
        </Section>
      ))}
    </Card>
  );
}

const setOf = (value: Record<string, unknown>, names: readonly string[]) => names.filter((name) => value[name] !== undefined).map((name) => name.replaceAll("_", " "));

function Section({ title, count, children }: { title: string; count: readonly string[]; children: ReactNode }) {
  return (
    <details className={styles.section}>
      <summary>
        {title} {count.length > 0 && <span>{count.join(", ")}</span>}
      </summary>
      <div className={styles.fields}>{children}</div>
    </details>
  );
}
