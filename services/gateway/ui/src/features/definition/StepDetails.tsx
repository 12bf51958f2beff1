import type { Check, Definition, Step } from "@/api/types";
import { TextBlock } from "@/components/CodeBlock";
import { checkTarget, stepAttempts, stepTimeout } from "@/lib/chain";
import { assertionText, captureText, retryText, waitText } from "@/lib/definition";
import { formatDuration, readDuration } from "@/lib/format";
import { kindWord } from "@/lib/status";
import { showValue } from "@/lib/value";
import styles from "./DefinitionPage.module.css";

/** Every step in words, in order. */
export function StepDetails({ definition }: { definition: Definition }) {
  return (
    <ol className={styles.steps}>
      {definition.steps.map((step, index) => (
        <li key={step.id} className={styles.step}>
          <div className={styles.number} aria-hidden="true">
            {index + 1}
          </div>
          <div className={styles.about}>
            <h2>
              {step.name} <code>{step.id}</code>
              {step.enabled === false && <i>disabled</i>}
              {step.always_run && <i>always</i>}
            </h2>
            {step.description && <p className={styles.description}>{step.description}</p>}
            <Facts step={step} definition={definition} />
          </div>
        </li>
      ))}
    </ol>
  );
}

function Facts({ step, definition }: { step: Step; definition: Definition }) {
  const { check } = step;
  const facts: [string, React.ReactNode][] = [
    ["Looks at", targetOf(check)],
    ...bodyOf(check),
    ["Must hold", lines((step.assert ?? []).map(assertionText)) ?? "nothing but an answer without error"],
    ["Captures", lines(Object.entries(step.capture ?? {}).map(([name, capture]) => `${name} ← ${captureText(capture)}`))],
    ["Only if", step.if && <code>{step.if}</code>],
    ["Timeout", formatDuration(stepTimeout(step, definition)).replace(/\.0(?=\u00a0s)/, "")],
    ["Attempts", retryText(step.retry ?? definition.defaults?.retry, stepAttempts(step, definition))],
    ["Waits for it", waitText(step)],
    ["Expected within", allowanceOf(step)],
    ["On failure", { stop: "the chain stops", continue: "the chain goes on", warn: "only a warning" }[step.on_failure ?? "stop"]],
    ["Owner", step.owner ?? definition.owner],
    ["Runbook", step.runbook && <a href={step.runbook} target="_blank" rel="noreferrer noopener">{step.runbook}</a>],
  ];
  return (
    <dl className={styles.details}>
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function targetOf(check: Check): React.ReactNode {
  const method = check.type === "api_call" && check.method !== "GET" ? `${check.method} ` : "";
  return (
    <>
      {kindWord(check.type)} <code>{method + (checkTarget(check) ?? "")}</code>
    </>
  );
}

/** What is sent along: the statement and its values, or the body of a request. */
function bodyOf(check: Check): [string, React.ReactNode][] {
  if (check.type === "db_query") {
    const values = Object.entries(check.params ?? {}).map(([name, value]) => `:${name} = ${showValue(value)}`);
    return [
      ["Statement", <TextBlock key="q" text={(check.query ?? "").trim()} label="Statement" />],
      ["Values", lines(values)],
      ["Hidden columns", (check.mask ?? []).join(", ")],
    ];
  }
  if (check.type !== "api_call") return [];
  const pairs = (record: Record<string, unknown> | null | undefined, sign: string) => Object.entries(record ?? {}).map(([name, value]) => `${name}${sign}${showValue(value)}`);
  return [
    ["Query", lines(pairs(check.query, " = "))],
    ["GraphQL", check.graphql && <TextBlock key="g" text={check.graphql.query.trim()} label="GraphQL query" />],
    ["Sends", check.json !== null && check.json !== undefined && <TextBlock key="j" text={JSON.stringify(check.json, null, 2)} label="Body" />],
    ["Form", lines(pairs(check.form, " = "))],
    ["Hidden keys", (check.mask ?? []).join(", ")],
  ];
}

/** One line each; null for none, so that the row is left out. */
function lines(texts: readonly string[]): React.ReactNode {
  if (texts.length === 0) return null;
  return texts.map((text, index) => (
    <div key={index}>
      <code>{text}</code>
    </div>
  ));
}

function allowanceOf(step: Step): React.ReactNode {
  if (!step.expect_within) return null;
  return (
    <>
      {readDuration(step.expect_within)} from {step.since ? <code>{step.since}</code> : "the start of the run"}
    </>
  );
}
