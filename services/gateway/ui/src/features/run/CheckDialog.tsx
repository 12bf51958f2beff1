import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiProblem } from "@/api/client";
import { startRun } from "@/api/commands";
import type { Input, ProcessView } from "@/api/types";
import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";
import { SelectField, TextField } from "@/components/Field";
import { Problem } from "@/components/States";
import { errorsByInput, type InputErrors, inputErrors, type InputTexts, startingTexts, typedValues } from "@/lib/inputs";
import { recall, remember } from "@/lib/memory";
import { showValue } from "@/lib/value";
import styles from "./CheckDialog.module.css";

type Props = { process: ProcessView; onClose: () => void; onStarted: (runId: string) => void };

/** Asks for the inputs of a process and starts a run. */
export function CheckDialog({ process, onClose, onStarted }: Props) {
  const inputs = process.definition.inputs ?? {};
  const ids = Object.keys(inputs);
  const memory = `inputs.${process.process_id}`;
  const [texts, setTexts] = useState<InputTexts>(() => startingTexts(inputs, recall<InputTexts>(memory, {})));
  const [errors, setErrors] = useState<InputErrors>({});
  const form = useRef<HTMLFormElement>(null);
  const start = useMutation({
    mutationFn: () => startRun({ process_id: process.process_id, inputs: typedValues(inputs, texts) }),
    onSuccess: (accepted) => {
      remember(memory, texts);
      onStarted(accepted.run_id);
    },
    onError: (problem) => problem instanceof ApiProblem && setErrors(errorsByInput(problem.errors, ids).fields),
  });
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [errors]);

  const submit = () => {
    const found = inputErrors(inputs, texts);
    setErrors(found);
    if (Object.keys(found).length === 0) start.mutate();
  };
  const change = (id: string, value: string) => {
    setTexts({ ...texts, [id]: value });
    setErrors(({ [id]: _gone, ...rest }) => rest);
  };
  const others = start.error instanceof ApiProblem ? errorsByInput(start.error.errors, ids) : null;
  const besideFields = others !== null && Object.keys(others.fields).length > 0 && others.others.length === 0;
  return (
    <Dialog title={`Check ${process.name}`} subtitle={process.description} onClose={onClose}>
      <form
        ref={form}
        className={styles.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {ids.length === 0 && <p className={styles.none}>This process asks for nothing: it can start at once.</p>}
        {ids.map((id, index) => (
          <InputField key={id} id={id} input={inputs[id]!} value={texts[id] ?? ""} error={errors[id] ?? null} first={index === 0} onChange={(value) => change(id, value)} />
        ))}
        {start.isError && !besideFields && <Problem compact error={{ message: [start.error.message, ...(others?.others ?? [])].join(" ") }} />}
        <DialogActions>
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" look="primary" busy={start.isPending} autoFocus={ids.length === 0}>
            {start.isPending ? "Starting…" : "Start check"}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

type FieldProps = { id: string; input: Input; value: string; error: string | null; first: boolean; onChange: (value: string) => void };

function InputField({ id, input, value, error, first, onChange }: FieldProps) {
  const optional = input.required === false;
  const shared = {
    label: (
      <>
        {input.label ?? id}
        {optional && <span className={styles.optional}> (optional)</span>}
      </>
    ),
    hint: hintOf(input),
    error,
    value,
    name: id,
    autoFocus: first,
    required: !optional,
  };
  const choices = input.options?.map(showValue) ?? (input.type === "boolean" ? ["true", "false"] : null);
  if (choices) {
    const words = (choice: string) => (input.type === "boolean" ? (choice === "true" ? "yes" : "no") : choice);
    return (
      <SelectField
        {...shared}
        onChange={(event) => onChange(event.target.value)}
        options={[["", "Choose…"], ...choices.map((choice): [string, string] => [choice, words(choice)])]}
      />
    );
  }
  const kind = { date: "date", datetime: "datetime-local" }[input.type as string] ?? "text";
  const numeric = input.type === "integer" || input.type === "number" || /^\^?\[0-9\]|^\^?\\d/.test(input.matches ?? "");
  return (
    <TextField
      {...shared}
      type={kind}
      inputMode={numeric ? (input.type === "number" ? "decimal" : "numeric") : undefined}
      autoComplete="off"
      spellCheck={false}
      maxLength={8192}
      placeholder={kind === "text" && input.example !== null && input.example !== undefined ? showValue(input.example) : undefined}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

function hintOf(input: Input): string | undefined {
  const parts = [input.description, input.example !== null && input.example !== undefined ? `Example: ${showValue(input.example)}` : null];
  return parts.filter(Boolean).join(" · ") || undefined;
}
