import { type ChangeEvent, useState } from "react";
import { YamlBlock } from "@/components/CodeBlock";
import { Button } from "@/components/Button";
import { SelectField } from "@/components/Field";
import { Problem } from "@/components/States";
import { TextArea } from "@/components/TextArea";
import { plural } from "@/lib/format";
import { ImportProblem, importText, type Lost, type Source, sourceOf, SOURCES } from "@/lib/import";
import styles from "./Editor.module.css";
import type { Beginning } from "./EditorPage";
import { LostList } from "./LostReport";

type Outcome = { yaml: string; lost: Lost[] } | { problem: string } | null;
/** A HAR file has megabytes: more than this is not put into a field. */
const SHOWN_TEXT = 200_000;

/** Text or a file of another tool, looked through before it is taken over. */
export function ImportForm({ onBegin }: { onBegin: (beginning: Beginning) => void }) {
  const [text, setText] = useState("");
  const [file, setFile] = useState<string | null>(null);
  const [chosen, setChosen] = useState<Source | "">("");
  const [outcome, setOutcome] = useState<Outcome>(null);
  const guessed = text.trim() ? sourceOf(text) : null;
  const write = (next: string, name: string | null) => {
    setText(next);
    setFile(name);
    setOutcome(null);
  };
  const read = async (event: ChangeEvent<HTMLInputElement>) => {
    const picked = event.target.files?.[0];
    if (picked) write(await picked.text(), picked.name);
  };
  const look = () => setOutcome(outcomeOf(chosen || guessed, text));
  return (
    <>
      <div className={styles.importHead}>
        <SelectField label="What it is" value={chosen} onChange={(event) => { setChosen(event.target.value as Source | ""); setOutcome(null); }} options={[["", guessed ? `Recognised: ${SOURCES.find(([id]) => id === guessed)?.[1]}` : "Recognise it"], ...SOURCES]} />
        <label className={styles.file}>
          <span>File</span>
          <input type="file" accept=".yaml,.yml,.json,.har,.hurl,.txt,.sh" onChange={(event) => void read(event)} />
        </label>
      </div>
      {text.length > SHOWN_TEXT ? (
        <p>
          {file}: {plural(text.length, "character")}, too long to be shown here.
        </p>
      ) : (
        <TextArea label="Text" code rows={6} spellCheck={false} value={text} placeholder={"curl https://api.example.com/health -H 'Accept: application/json'"} onChange={(event) => write(event.target.value, null)} />
      )}
      <div>
        <Button disabled={!text.trim()} onClick={look}>
          Look through it
        </Button>
      </div>
      {outcome && "problem" in outcome && <Problem compact error={{ message: outcome.problem }} />}
      {outcome && "yaml" in outcome && (
        <section className={styles.outcome} aria-label="What was read">
          <h3>{outcome.lost.length === 0 ? "Everything can be carried over" : `${plural(outcome.lost.length, "thing")} cannot be carried over`}</h3>
          <LostList lost={outcome.lost} />
          <YamlBlock text={outcome.yaml.slice(0, SHOWN_TEXT)} label="As a process" />
          <div>
            <Button look="primary" onClick={() => onBegin(outcome)}>
              Open in the editor
            </Button>
          </div>
        </section>
      )}
    </>
  );
}

function outcomeOf(source: Source | null, text: string): Outcome {
  if (!source) return { problem: "It is not clear what this is. Choose it in the list above." };
  try {
    return importText(source, text);
  } catch (error) {
    if (error instanceof ImportProblem) return { problem: error.message };
    throw error;
  }
}
