import { Button } from "@/components/Button";
import { SelectField, TextField } from "@/components/Field";
import { Fold } from "@/components/Fold";
import { NamedField } from "@/components/form/NamedField";
import { NameField } from "@/components/form/NameField";
import { SchemaForm } from "@/components/form/SchemaForm";
import { subjectsOf } from "@/lib/assertion";
import { isRecord } from "@/lib/draft";
import { changeStepId, idsOf, renameStep, setIn, type Step } from "@/lib/edits";
import { plural } from "@/lib/format";
import { referencesTo } from "@/lib/references";
import { fieldKind, itemOf, kindsOf, plain, type Schema } from "@/lib/schema";
import { kindWord } from "@/lib/status";
import { stepOfKind } from "@/lib/templates";
import { AssertionsField } from "./AssertionsField";
import { useEditor } from "./context";
import styles from "./StepForm.module.css";
import { TryPanel } from "./TryPanel";
import { useRename } from "./useRename";

/** Fields that stand at the top of the form, or have a form of their own. */
const OWN_PLACE = ["id", "name", "check", "assert", "capture"];
const OFTEN = ["expect_within", "since", "wait_until", "if", "on_failure", "always_run"];

/** Everything of one step. */
export function StepForm({ step, index }: { step: Step; index: number }) {
  const { draft, schema, edit, errors, connections, mayTry, isNew, onDone } = useEditor();
  const path = ["steps", index];
  const place = `steps[${index}]`;
  const stepSchema = itemOf(schema, schema.properties?.steps ?? {});
  const check = isRecord(step.check) ? step.check : {};
  const kinds = kindsOf(schema, stepSchema.properties?.check ?? {});
  const kind = kinds.find(([name]) => name === check.type)?.[1];
  const subjects = subjectsOf(schema).filter(({ name }) => !kind?.["x-subjects"]?.length || kind["x-subjects"].includes(name));
  const fitting = connections.filter((one) => !kind?.["x-connections"]?.length || kind["x-connections"].includes(one.kind));
  const names = { connection: fitting.map((one) => one.id) };
  const change = (at: readonly (string | number)[], value: unknown) => edit(setIn(at, value), at.join("."));
  const changeId = (id: string) => {
    if (id === textOf(step.id)) return;
    const uses = referencesTo(draft.text, ["steps", textOf(step.id)]);
    edit(changeStepId(index, id));
    onDone(uses > 0 ? `The id is ${id} now, also in ${plural(uses, "place", "places")} that refer to it.` : `The id is ${id} now.`);
  };
  const rename = useRename();
  const changeKind = (type: string) => edit(setIn([...path, "check"], freshCheck(type, check, kinds)));
  return (
    <div className={styles.form}>
      <div className={styles.pair}>
        <TextField label="Name" value={textOf(step.name)} error={errors[`${place}.name`]} onChange={(event) => edit(renameStep(index, event.target.value), `name.${index}`)} maxLength={200} autoComplete="off" />
        <NameField label="Id" name={textOf(step.id)} taken={idsOf(draft.value)} error={errors[`${place}.id`] ?? null} hint={isNew ? undefined : "Trends and the last good run of this step begin anew under another id."} onRename={changeId} />
      </div>
      <section className={styles.part} aria-label="Check">
        <SelectField label="Kind of check" value={textOf(check.type)} error={errors[`${place}.check.type`] ?? errors[`${place}.check`]} onChange={(event) => changeKind(event.target.value)} options={[...(kind ? [] : [["", "Choose…"] as const]), ...kinds.map(([name]) => [name, `${kindWord(name)} (${name})`] as const)]} />
        {kind && <SchemaForm root={schema} schema={kind} value={check} path={[...path, "check"]} onChange={change} errors={errors} names={names} only={usual(kind, check)} />}
        {kind && <More schema={kind} shown={usual(kind, check)}>{(only) => <SchemaForm root={schema} schema={kind} value={check} path={[...path, "check"]} onChange={change} errors={errors} names={names} only={only} />}</More>}
      </section>
      {mayTry && <TryPanel step={step} index={index} />}
      <AssertionsField subjects={subjects} value={Array.isArray(step.assert) ? step.assert : []} path={[...path, "assert"]} edit={edit} errors={errors} />
      <NamedField label="Capture" name="captures" hint="Values of the answer that later steps may use." error={errors[`${place}.capture`] ?? null} root={schema} item={captureSchema(schema, stepSchema, kind)} value={isRecord(step.capture) ? step.capture : {}} path={[...path, "capture"]} onChange={change} onRename={rename} errors={errors} names={{}} />
      <Fold className={styles.more} open={OFTEN.some((name) => step[name] !== undefined)}>
        <summary>When and what if</summary>
        <SchemaForm root={schema} schema={stepSchema} value={step} path={path} onChange={change} errors={errors} only={OFTEN} />
      </Fold>
      <details className={styles.more}>
        <summary>More about this step</summary>
        <SchemaForm root={schema} schema={stepSchema} value={step} path={path} onChange={change} errors={errors} names={names} without={[...OWN_PLACE, ...OFTEN]} />
      </details>
    </div>
  );
}

/** Fields of a check that most people want; the others fold away unless they are set. */
const USUAL = new Set(["connection", "method", "url", "path", "params", "render"]);
const FIRST = ["connection", "method", "url", "path", "query", "params"];

function usual(kind: Schema, check: Record<string, unknown>): string[] {
  const properties = kind.properties ?? {};
  const known = [...FIRST.filter((name) => properties[name]), ...Object.keys(properties).filter((name) => name !== "type" && !FIRST.includes(name))];
  const shown = known.filter((name) => USUAL.has(name) || statement(kind, name) || (name === "json" && check.method !== undefined && check.method !== "GET") || kind.required?.includes(name) || check[name] !== undefined);
  return shown.length > 0 && known.some((name) => USUAL.has(name)) ? shown : known;
}

/** The question itself, not the parameters of an address. */
const statement = (kind: Schema, name: string) => name === "query" && fieldKind(kind, name, kind.properties![name]!) === "longtext";

function More({ schema, shown, children }: { schema: Schema; shown: readonly string[]; children: (only: string[]) => React.ReactNode }) {
  const rest = Object.keys(schema.properties ?? {}).filter((name) => name !== "type" && !shown.includes(name));
  if (rest.length === 0) return null;
  return (
    <details className={styles.more}>
      <summary>More of this check</summary>
      {children(rest)}
    </details>
  );
}

/** Captures of a kind offer only the sources that it has. */
function captureSchema(root: Schema, step: Schema, kind: Schema | undefined): Schema {
  const item = itemOf(root, step.properties?.capture ?? {});
  const sources = kind?.["x-captures"];
  if (!sources?.length) return item;
  const common = ["type", "optional", ...(sources.includes("column") ? ["row"] : []), ...(sources.includes("selector") ? ["attribute"] : [])];
  const names = [...sources, ...common].filter((name) => item.properties?.[name]);
  return { ...item, properties: Object.fromEntries(names.map((name) => [name, item.properties![name]!])) };
}

/** Another kind keeps what both kinds have, such as connection and path. */
function freshCheck(type: string, old: Record<string, unknown>, kinds: [string, Schema][]): Record<string, unknown> {
  const schema = kinds.find(([name]) => name === type)?.[1];
  const kept = Object.fromEntries(Object.entries(old).filter(([name, value]) => name !== "type" && schema?.properties?.[name] !== undefined && plain(schema, schema.properties[name]).type !== "object" && name !== "query" && typeof value !== "object"));
  const fresh = stepOfKind(type, "step", schema?.required ?? []).check as Record<string, unknown>;
  return { ...(kept.connection || kept.url ? Object.fromEntries(Object.entries(fresh).filter(([name]) => name !== "url")) : fresh), ...kept, type };
}

const textOf = (value: unknown): string => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value as string | number));

export function StepButtons({ enabled, onEnable, onDuplicate, onDelete, onUp, onDown, single, name }: { enabled: boolean; onEnable: () => void; onDuplicate: () => void; onDelete: () => void; onUp?: () => void; onDown?: () => void; single: boolean; name: string }) {
  return (
    <div className={styles.buttons} role="group" aria-label={`What to do with ${name}`}>
      <Button look="quiet" disabled={!onUp} onClick={onUp}>
        Move up
      </Button>
      <Button look="quiet" disabled={!onDown} onClick={onDown}>
        Move down
      </Button>
      <Button look="quiet" onClick={onEnable}>
        {enabled ? "Disable" : "Enable"}
      </Button>
      <Button look="quiet" onClick={onDuplicate}>
        Duplicate
      </Button>
      <Button look="quiet" disabled={single} title={single ? "A process has at least one step" : undefined} onClick={onDelete}>
        Delete
      </Button>
    </div>
  );
}
