import { Button } from "@/components/Button";
import { SelectField, TextField } from "@/components/Field";
import { ExpectedField } from "@/components/form/ExpectedField";
import { FreeField } from "@/components/form/FreeField";
import { Icon } from "@/components/Icon";
import { type AssertionFields, OPERATORS, readAssertion, type Subject, writeAssertion } from "@/lib/assertion";
import { insertItem, type Path } from "@/lib/draft";
import { setIn } from "@/lib/edits";
import { labelOf } from "@/lib/schema";
import styles from "./StepForm.module.css";
import type { Edit } from "./useDraft";

type Props = { subjects: readonly Subject[]; value: readonly unknown[]; path: Path; edit: Edit; errors: Readonly<Record<string, string>> };

/** What must hold of the answer, one line each. */
export function AssertionsField({ subjects, value, path, edit, errors }: Props) {
  const first = subjects[0];
  const add = () => first && edit((text) => insertItem(text, path, value.length, writeAssertion(subjects, { subject: first.name, argument: "", part: "", attribute: "", row: "", operator: "eq", expected: first.name === "status" ? 200 : "" })));
  const rest = (index: number) => (value.length > 1 ? value.filter((_, at) => at !== index) : undefined);
  return (
    <fieldset className={styles.assertions}>
      <legend>Must hold</legend>
      {value.length === 0 && <p className={styles.note}>Nothing yet: the step only fails on an error, and on HTTP status 400 and above.</p>}
      {value.map((entry, index) => {
        const fields = readAssertion(subjects, entry);
        const own = [...path, index];
        const fault = faultOf(errors, path, index);
        return (
          <div key={index} className={styles.assertion} role="group" aria-label={`Assertion ${index + 1}`}>
            {fields ? (
              <Fields subjects={subjects} fields={fields} number={index + 1} onChange={(next) => edit(setIn(own, writeAssertion(subjects, next)), `assert.${index}`)} />
            ) : (
              <FreeField label={`Assertion ${index + 1}`} value={entry} onChange={(next) => edit(setIn(own, next ?? {}), `assert.${index}`)} />
            )}
            <button type="button" className={styles.iconButton} aria-label={`Remove assertion ${index + 1}`} title="Remove" onClick={() => edit(setIn(path, rest(index)))}>
              <Icon name="cross" size={14} />
            </button>
            {fault && (
              <p className={styles.fault} role="alert">
                {fault}
              </p>
            )}
          </div>
        );
      })}
      {errors[`steps[${path[1]}].assert`] && (
        <p className={styles.fault} role="alert">
          {errors[`steps[${path[1]}].assert`]}
        </p>
      )}
      <Button look="quiet" onClick={add}>
        <Icon name="plus" size={14} /> Add assertion
      </Button>
    </fieldset>
  );
}

function faultOf(errors: Readonly<Record<string, string>>, path: Path, index: number): string | null {
  const prefix = `steps[${path[1]}].assert[${index}]`;
  return Object.entries(errors).find(([place]) => place === prefix || place.startsWith(`${prefix}.`))?.[1] ?? null;
}

function Fields({ subjects, fields, number, onChange }: { subjects: readonly Subject[]; fields: AssertionFields; number: number; onChange: (fields: AssertionFields) => void }) {
  const subject = subjects.find(({ name }) => name === fields.subject);
  const set = (change: Partial<AssertionFields>) => onChange({ ...fields, ...change });
  const of = `of assertion ${number}`;
  return (
    <div className={styles.line}>
      <SelectField label={`Subject ${of}`} hideLabel value={fields.subject} onChange={(event) => set({ subject: event.target.value, part: "", attribute: "", row: "" })} options={subjects.map(({ name }) => [name, subjectWord(name)])} />
      {subject?.argued && <TextField label={`Where ${of}`} hideLabel value={fields.argument} placeholder={PLACEHOLDERS[fields.subject] ?? fields.subject} onChange={(event) => set({ argument: event.target.value })} autoComplete="off" spellCheck={false} className={styles.wide} />}
      {subject && subject.rows.length > 0 && fields.subject === "column" && <SelectField label={`Row ${of}`} hideLabel value={fields.row} onChange={(event) => set({ row: event.target.value })} options={[["", "every row"], ...subject.rows.map((row): [string, string] => [row, `${row} row`])]} />}
      {subject && subject.parts.length > 0 && <SelectField label={`Part ${of}`} hideLabel value={fields.part} onChange={(event) => set({ part: event.target.value })} options={[["", "value"], ...subject.parts.map((part): [string, string] => [part, part])]} />}
      {fields.part === "attribute" && <TextField label={`Attribute ${of}`} hideLabel value={fields.attribute} placeholder="href" onChange={(event) => set({ attribute: event.target.value })} autoComplete="off" />}
      <SelectField label={`Operator ${of}`} hideLabel value={fields.operator} onChange={(event) => set(operated(fields, event.target.value))} options={OPERATORS} />
      {fields.operator === "exists" ? (
        <SelectField label={`Expected ${of}`} hideLabel value={String(fields.expected !== false)} onChange={(event) => set({ expected: event.target.value === "true" })} options={[["true", "yes"], ["false", "no"]]} />
      ) : (
        <ExpectedField label={`Expected ${of}`} hideLabel operator={fields.operator} value={fields.expected} onChange={(expected) => set({ expected })} />
      )}
    </div>
  );
}

const PLACEHOLDERS: Record<string, string> = { selector: ".order-number", xpath: "//h1", regex: "Order (\\d+)", header: "content-type", jsonpath: "$.state", column: "status" };
const LISTED = new Set(["in", "not_in", "between"]);

/** Another operator keeps the value where both can hold it. */
function operated(fields: AssertionFields, operator: string): Partial<AssertionFields> {
  if (operator === "exists") return { operator, expected: true };
  const { expected } = fields;
  if (LISTED.has(operator)) return { operator, expected: Array.isArray(expected) ? expected : expected === "" || typeof expected === "boolean" ? [] : [expected] };
  return { operator, expected: Array.isArray(expected) ? (expected[0] ?? "") : fields.operator === "exists" ? "" : expected };
}

function subjectWord(name: string): string {
  return { jsonpath: "JSON path", jsonld: "JSON-LD", xpath: "XPath", selector: "CSS selector", status: "HTTP status", elapsed: "time taken" }[name] ?? labelOf(name).toLowerCase();
}
