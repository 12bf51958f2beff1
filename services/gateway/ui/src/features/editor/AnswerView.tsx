import { useState } from "react";
import type { TriedStep } from "@/api/editing";
import { TextBlock } from "@/components/CodeBlock";
import { Icon } from "@/components/Icon";
import { isRecord } from "@/lib/draft";
import { addAssertion, addCapture, stepsOf } from "@/lib/edits";
import { formatDuration } from "@/lib/format";
import { assertionFor, captureFor, captureName, type Pick } from "@/lib/pick";
import { itemOf, kindsOf } from "@/lib/schema";
import { failureWord } from "@/lib/status";
import { type Part, partsOf } from "@/lib/trial";
import { showExpectation, showValue } from "@/lib/value";
import { useEditor } from "./context";
import { JsonTree } from "./JsonTree";
import { PickContext, Value } from "./PickValue";
import styles from "./TryPanel.module.css";

/** The real answer of a step. A click on a value in it makes an assertion or a capture. */
export function AnswerView({ answer, index }: { answer: TriedStep; index: number }) {
  const { schema, draft, edit, onDone } = useEditor();
  const [chosen, setChosen] = useState<string | null>(null);
  const step = stepsOf(draft.value)[index] ?? {};
  const type = isRecord(step.check) ? step.check.type : undefined;
  const kind = kindsOf(schema, itemOf(schema, schema.properties?.steps ?? {}).properties?.check ?? {}).find(([name]) => name === type)?.[1];
  const assert = (pick: Pick) => {
    edit(addAssertion(index, assertionFor(pick)));
    setChosen(null);
    onDone("The assertion was added.");
  };
  const capture = (pick: Pick) => {
    const made = captureFor(pick);
    if (made) edit(addCapture(index, captureName(pick), made));
    setChosen(null);
    onDone("The capture was added.");
  };
  const parts = partsOf(answer, kind?.["x-subjects"] ?? []);
  return (
    <div aria-live="polite">
      <Verdict answer={answer} />
      {parts.some((part) => part.kind !== "text") && <p className={styles.hint}>Click a value to assert or capture it.</p>}
      <PickContext value={{ chosen, choose: setChosen, assert, capture, sources: kind?.["x-captures"] ?? null }}>
        {parts.map((part, at) => (
          <PartView key={at} part={part} name={`${at}`} />
        ))}
      </PickContext>
    </div>
  );
}

function Verdict({ answer }: { answer: TriedStep }) {
  const tone = answer.ok ? "ok" : answer.ours ? "error" : "failed";
  const words = answer.ok ? "It holds" : answer.ours ? "Could not check" : (failureWord(answer.failure_class) ?? "Failed");
  return (
    <>
      <p className={`${styles.verdict} tone-${tone}`} data-testid="tried">
        <span>
          <Icon name={answer.ok ? "check" : answer.ours ? "question" : "cross"} size={15} /> {words}
        </span>
        {answer.message && <span>{answer.message}</span>}
        <small>
          {formatDuration(answer.duration_seconds)}
          {answer.target && <> · <code>{answer.target}</code></>}
        </small>
      </p>
      <ul className={styles.outcomes}>
        {(answer.assertions ?? []).map((outcome, at) => (
          <li key={at} className={outcome.met ? "tone-ok" : "tone-failed"}>
            <Icon name={outcome.met ? "check" : "cross"} size={13} />
            <span>
              <span className="visually-hidden">{outcome.met ? "holds: " : "fails: "}</span>
              {outcome.label} {showExpectation(outcome.operator, outcome.expected)}
              {!outcome.met && <b> (found {outcome.actual === null || outcome.actual === undefined ? "nothing" : showValue(outcome.actual)})</b>}
            </span>
          </li>
        ))}
        {Object.entries(answer.captures ?? {}).map(([name, value]) => (
          <li key={name} className="tone-running">
            <Icon name="hand" size={13} />
            <span>
              captured <code>{name}</code> = <code>{showValue(value)}</code>
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function PartView({ part, name }: { part: Part; name: string }) {
  if (part.kind === "text") {
    return (
      <details className={styles.raw}>
        <summary>{part.title}</summary>
        <TextBlock text={part.text} label={part.title} />
      </details>
    );
  }
  return (
    <div className={styles.block}>
      <h3>{part.title}</h3>
      {part.kind === "json" && <JsonTree value={part.value} name={name} />}
      {part.kind === "facts" && (
        <ul className={styles.values} tabIndex={0} aria-label={part.title}>
          {part.facts.map((fact, at) => (
            <li key={at} className={styles.row}>
              <span className={styles.key}>{fact.name}</span>
              <Value id={`${name}.${at}`} pick={fact.pick} />
            </li>
          ))}
        </ul>
      )}
      {part.kind === "elements" && (
        <ul className={styles.values} tabIndex={0} aria-label={part.title}>
          {part.elements.map((element, at) => (
            <li key={at} className={styles.row}>
              <span className={styles.key}>{element.selector}</span>
              {element.text && <Value id={`${name}.${at}`} pick={{ kind: "selector", selector: element.selector, value: element.text }} />}
              {element.attributes.map(([attribute, value]) => (
                <Value key={attribute} id={`${name}.${at}.${attribute}`} prefix={`${attribute}=`} pick={{ kind: "selector", selector: element.selector, attribute, value }} />
              ))}
            </li>
          ))}
        </ul>
      )}
      {part.kind === "table" && (
        <div className={styles.grid} tabIndex={0} role="region" aria-label={part.title}>
          <table>
            <thead>
              <tr>
                {part.table.columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {part.table.rows.slice(0, SHOWN_ROWS).map((row, at) => (
                <tr key={at}>
                  {row.map((value, column) => (
                    <td key={column}>
                      <Value id={`${name}.${at}.${column}`} pick={{ kind: "cell", column: part.table.columns[column] ?? "", row: at, of: part.table.rows.length, value }} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

const SHOWN_ROWS = 50;
