import { useCallback, useMemo } from "react";
import { Icon } from "@/components/Icon";
import { YamlEditor } from "@/components/YamlEditor";
import { suggest } from "@/lib/completion";
import { pathAt } from "@/lib/draft";
import { plural } from "@/lib/format";
import { useEditor } from "./context";
import styles from "./Editor.module.css";

type Props = { show: { at: number; nonce: number } | undefined; settled: boolean; onShow: (at: number) => void; onStep: (index: number) => void; onUndo: () => void; onRedo: () => void };

/** The text itself, with what is wrong in it below. */
export function YamlPane({ show, settled, onShow, onStep, onUndo, onRedo }: Props) {
  const { draft, edit, issues, schema, connections } = useEditor();
  const marks = useMemo(() => issues.map(({ from, to, severity, message }) => ({ from, to, severity, message })), [issues]);
  const names = useMemo(() => ({ connection: connections.map((one) => one.id) }), [connections]);
  const complete = useCallback((text: string, offset: number) => suggest(schema, text, offset, names), [schema, names]);
  const moved = (offset: number) => {
    const [first, index] = pathAt(draft.document, offset);
    if (first === "steps" && typeof index === "number") onStep(index);
  };
  const faults = issues.filter((issue) => issue.severity === "error").length;
  return (
    <section className={styles.yaml} aria-label="YAML">
      <div className={styles.text}>
        <YamlEditor text={draft.text} label="Definition as YAML" marks={marks} show={show} onChange={(text) => edit(() => text, "yaml")} onCursor={moved} onUndo={onUndo} onRedo={onRedo} suggest={complete} />
      </div>
      <div className={styles.issues} role="status" aria-label="Faults" data-settled={settled}>
        {faults === 0 ? (
          <p className="tone-ok">
            <Icon name={settled ? "check" : "circle"} size={14} /> {settled ? "No faults" : "Looking through it…"}
          </p>
        ) : (
          <p className="tone-failed">
            <Icon name="bang" size={14} /> {plural(faults, "fault")}
          </p>
        )}
        {issues.length > 0 && (
          <ul>
            {issues.slice(0, SHOWN_ISSUES).map((issue, index) => (
              <li key={index}>
                <button type="button" onClick={() => onShow(issue.from)}>
                  <span className={issue.severity === "error" ? "tone-failed" : "tone-overdue"}>line {issue.line}</span> {issue.path && <code>{issue.path}</code>} {issue.message}
                </button>
              </li>
            ))}
            {issues.length > SHOWN_ISSUES && <li>and {issues.length - SHOWN_ISSUES} more</li>}
          </ul>
        )}
      </div>
    </section>
  );
}

const SHOWN_ISSUES = 50;
