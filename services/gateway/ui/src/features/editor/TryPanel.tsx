import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { ApiProblem } from "@/api/client";
import { tryStep } from "@/api/editing";
import type { Definition } from "@/api/types";
import { Button } from "@/components/Button";
import { TextField } from "@/components/Field";
import { Icon } from "@/components/Icon";
import { Problem } from "@/components/States";
import { usedCaptures } from "@/lib/answer";
import { expectedOf, expectedText } from "@/lib/assertion";
import { isRecord } from "@/lib/draft";
import { type Step, stepsOf } from "@/lib/edits";
import { typedValues } from "@/lib/inputs";
import { recall, remember } from "@/lib/memory";
import { showValue } from "@/lib/value";
import { AnswerView } from "./AnswerView";
import { useEditor } from "./context";
import styles from "./TryPanel.module.css";

type Inputs = NonNullable<Definition["inputs"]>;

/** Does one step for real, without a run, and shows what came back. */
export function TryPanel({ step, index }: { step: Step; index: number }) {
  const { draft, tried, onTried } = useEditor();
  const id = String(step.id ?? "");
  const inputs = (isRecord(draft.value.inputs) ? draft.value.inputs : {}) as Inputs;
  const memory = `inputs.${String(draft.value.process ?? "")}`;
  const [texts, setTexts] = useState<Record<string, string>>(() => ({ ...examplesOf(inputs), ...recall<Record<string, string>>(memory, {}) }));
  const [given, setGiven] = useState<Record<string, string>>({});
  const used = usedCaptures(step);
  const textOf = (name: string) => texts[name] ?? examplesOf(inputs)[name] ?? "";
  const attempt = useMutation({
    mutationFn: () => {
      const captures: Record<string, Record<string, unknown>> = {};
      for (const [from, name] of used) {
        const text = given[`${from}.${name}`];
        const value = text === undefined ? tried[from]?.captures?.[name] : expectedOf(text, "eq");
        if (value !== undefined && value !== "") (captures[from] ??= {})[name] = value;
      }
      const names = Object.keys(inputs);
      const typed = typedValues(inputs, Object.fromEntries(names.map((name) => [name, textOf(name)])));
      return tryStep({ definition: { ...draft.value, steps: stepsOf(draft.value).slice(0, index + 1) }, step_id: id, inputs: typed, captures });
    },
    onSuccess: (answer) => {
      if (Object.keys(inputs).length > 0) remember(memory, texts);
      onTried(id, answer);
    },
  });
  const answer = tried[id];
  return (
    <section className={styles.panel} aria-label="Try this step">
      <div className={styles.head}>
        <div className={styles.asks}>
          {Object.entries(inputs).map(([name, input]) => (
            <TextField key={name} label={isRecord(input) ? (input.label ?? name) : name} value={textOf(name)} onChange={(event) => setTexts({ ...texts, [name]: event.target.value })} autoComplete="off" spellCheck={false} />
          ))}
          {used.map(([from, name]) => (
            <TextField
              key={`${from}.${name}`}
              label={`${name} of ${from}`}
              value={given[`${from}.${name}`] ?? expectedText(tried[from]?.captures?.[name])}
              placeholder={`try ${from} first`}
              onChange={(event) => setGiven({ ...given, [`${from}.${name}`]: event.target.value })}
              autoComplete="off"
              spellCheck={false}
            />
          ))}
        </div>
        <Button busy={attempt.isPending} disabled={draft.faults.length > 0} onClick={() => attempt.mutate()}>
          <Icon name="play" size={13} /> {attempt.isPending ? "Trying…" : answer ? "Try again" : "Try this step"}
        </Button>
      </div>
      <p className={styles.note}>It is done once, for real, and no run is kept.</p>
      {attempt.isError && <Problem compact error={{ message: messageOf(attempt.error) }} />}
      {answer && !attempt.isPending && <AnswerView answer={answer} index={index} />}
    </section>
  );
}

function examplesOf(inputs: Inputs): Record<string, string> {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, showValue(isRecord(input) ? (input.default ?? input.example ?? "") : "")]));
}

function messageOf(error: Error): string {
  if (!(error instanceof ApiProblem) || error.errors.length === 0) return error.message;
  return error.errors.map(({ path, message }) => `${path.replace(/^body\.(definition\.)?/, "")}: ${message}`).join("; ");
}
