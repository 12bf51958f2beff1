import { Fragment, useId } from "react";
import { CheckField } from "@/components/CheckField";
import { Coded } from "@/components/Coded";
import { CronWords } from "@/components/CronWords";
import { SelectField, TextField } from "@/components/Field";
import { Fold } from "@/components/Fold";
import { TextArea } from "@/components/TextArea";
import { isRecord, type Path } from "@/lib/draft";
import { fieldKind, itemOf, labelOf, plain, type Schema, typedNumber } from "@/lib/schema";
import { FreeField } from "./FreeField";
import { ListField } from "./ListField";
import { NamedField } from "./NamedField";
import { PairsField } from "./PairsField";
import { RecordsField } from "./RecordsField";
import styles from "./SchemaForm.module.css";

export type FormProps = {
  root: Schema;
  schema: Schema;
  value: Record<string, unknown>;
  path: Path;
  onChange: (path: Path, value: unknown) => void;
  /** Another name for something in a mapping; without it, names are changed like values. */
  onRename?: (mapping: Path, old: string, name: string) => void;
  /** Faults by the path of their field, as `steps[0].check.url`. */
  errors?: Readonly<Record<string, string>>;
  /** Names to offer for properties that the schema cannot list. */
  names?: Readonly<Record<string, readonly string[]>>;
  /** These properties alone, in this order. */
  only?: readonly string[];
  without?: readonly string[];
};

/** A form for whatever a JSON Schema describes: kinds of checks and connections appear by themselves. */
export function SchemaForm({ root, schema, value, path, onChange, onRename, errors = {}, names = {}, only, without = [] }: FormProps) {
  const properties = schema.properties ?? {};
  const listed = only ?? Object.keys(properties).filter((name) => !without.includes(name));
  const shown = listed.flatMap((name): [string, Schema][] => (properties[name] && plain(root, properties[name]).const === undefined ? [[name, properties[name]]] : []));
  return (
    <div className={styles.form}>
      {shown.map(([name, property]) => (
        <Property key={name} name={name} property={property} required={schema.required?.includes(name) ?? false} {...{ root, value, path, onChange, onRename, errors, names }} />
      ))}
    </div>
  );
}

/** Fields that one half of a line is enough for. */
const HALF = new Set(["choice", "number", "list", "switch"]);
const LONG = /^(url|path|base_url|if|since|runbook|cron|matches|description|query)$/;

type PropertyProps = Omit<FormProps, "schema"> & { name: string; property: Schema; required: boolean };

function Property({ root, name, property, value, path, onChange, onRename, errors = {}, names = {}, required }: PropertyProps) {
  const found = plain(root, property);
  const own = [...path, name];
  const current = value[name];
  const set = (next: unknown) => onChange(own, next);
  const error = errors[pathText(own)] ?? null;
  const label = (
    <>
      {labelOf(name)}
      {!required && <span className={styles.optional}> optional</span>}
    </>
  );
  const about = found.description && <Coded text={found.description} />;
  const hint = name === "cron" && typeof current === "string" ? <CronWords cron={current}>{about}</CronWords> : about;
  const frame = { label: required ? labelOf(name) : label, hint, error };
  const kind = typeof current === "string" && current.includes("${{") ? "text" : fieldKind(root, name, found);
  const half = HALF.has(kind) || (kind === "text" && !LONG.test(name) && !String(current ?? "").includes("${{"));
  return <div className={half ? undefined : styles.wide}>{control()}</div>;

  function control() {
  switch (kind) {
    case "switch":
      return <CheckField label={labelOf(name)} hint={frame.hint} checked={typeof current === "boolean" ? current : found.default === true} onChange={(checked) => set(checked === (found.default ?? false) ? undefined : checked)} />;
    case "choice": {
      const choices = (found.enum ?? []).map((choice) => [String(choice), String(choice).replaceAll("_", " ")] as const);
      const preset = found.default === undefined || found.default === null ? "–" : `${String(found.default).replaceAll("_", " ")} (usual)`;
      return <SelectField {...frame} value={current === undefined ? "" : String(current)} options={required ? choices : [["", preset], ...choices.filter(([choice]) => choice !== String(found.default))]} onChange={(event) => set(event.target.value || undefined)} />;
    }
    case "number":
      return <TextField {...frame} inputMode="decimal" value={textOf(current)} placeholder={presetOf(found)} onChange={(event) => set(typedNumber(event.target.value))} />;
    case "longtext":
      return <TextArea {...frame} code={name !== "description"} rows={name === "description" ? 2 : 4} value={textOf(current)} onChange={(event) => set(event.target.value || undefined)} spellCheck={name === "description"} />;
    case "text":
      return <SuggestedField {...frame} value={textOf(current)} placeholder={presetOf(found)} names={names[name]} onChange={(text) => set(text || (required ? "" : undefined))} />;
    case "list":
      return <ListField {...frame} value={Array.isArray(current) ? current : []} preset={found.default} onChange={set} />;
    case "pairs":
      return <PairsField {...frame} value={isRecord(current) ? current : {}} onChange={set} onRename={onRename && ((old, to) => onRename(own, old, to))} />;
    case "group":
      return <Group {...{ root, name, found, current, own, onChange, errors, names, error }} />;
    case "records":
      return <RecordsField {...frame} {...{ name, root, onChange, errors, names }} item={itemOf(root, found)} value={Array.isArray(current) ? current : []} path={own} />;
    case "named":
      return <NamedField {...frame} {...{ name, root, onChange, onRename, errors, names }} item={itemOf(root, found)} value={isRecord(current) ? current : {}} path={own} />;
    case "free":
      return <FreeField {...frame} value={current} onChange={set} />;
  }
  }
}

type GroupProps = { root: Schema; name: string; found: Schema; current: unknown; own: Path; onChange: FormProps["onChange"]; errors: Record<string, string>; names: Record<string, readonly string[]>; error: string | null };

/** Properties of a property, folded away while nothing of it is set. */
function Group({ root, name, found, current, own, onChange, errors, names, error }: GroupProps) {
  const set = isRecord(current) && Object.keys(current).length > 0;
  return (
    <Fold className={styles.group} open={set || error !== null}>
      <summary>
        {labelOf(name)} <span className={styles.optional}>{set ? "set" : "not set"}</span>
      </summary>
      {found.description && (
        <p className={styles.about}>
          <Coded text={found.description} />
        </p>
      )}
      {error && <p className={styles.error}>{error}</p>}
      <SchemaForm root={root} schema={found} value={isRecord(current) ? current : {}} path={own} onChange={onChange} errors={errors} names={names} />
    </Fold>
  );
}

type SuggestedProps = { label: React.ReactNode; hint?: React.ReactNode; error: string | null; value: string; placeholder?: string; names?: readonly string[]; onChange: (text: string) => void };

/** A text field that offers known names. */
export function SuggestedField({ names, onChange, ...rest }: SuggestedProps) {
  const list = useId();
  return (
    <Fragment>
      <TextField {...rest} list={names?.length ? list : undefined} autoComplete="off" onChange={(event) => onChange(event.target.value)} />
      {names?.length ? (
        <datalist id={list}>
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      ) : null}
    </Fragment>
  );
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value as string | number);
}

function presetOf({ default: preset, examples }: Schema): string | undefined {
  if (preset !== undefined && preset !== null && typeof preset !== "object") return String(preset as string | number);
  return examples?.length ? `such as ${String(examples[0])}` : undefined;
}

/** A path as errors spell it. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => (typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${part}` : part), "");
}
