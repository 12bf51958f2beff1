import clsx from "clsx";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef } from "react";
import { Icon, type IconName } from "@/components/Icon";
import { isRecord } from "@/lib/draft";
import { setIn, type Step, targetOf } from "@/lib/edits";
import { plural } from "@/lib/format";
import { errorsInStep } from "@/lib/issues";
import { kindWord } from "@/lib/status";
import { showValue } from "@/lib/value";
import { useEditor } from "./context";
import { StepButtons, StepForm } from "./StepForm";
import styles from "./StepList.module.css";

type Props = {
  step: Step;
  index: number;
  count: number;
  open: boolean;
  dragged: boolean;
  /** Where a dragged step would land beside this one. */
  edge: "above" | "below" | null;
  onToggle: () => void;
  onMove: (to: number) => void;
  onDrag: (event: PointerEvent<HTMLElement>) => void;
  onDuplicate: () => void;
  onDelete: () => void;
};

const KIND_ICON: Record<string, IconName> = { web_crawl: "screen", api_call: "plug", db_query: "terminal", file_check: "file" };

/** One step: a line that opens to its form. */
export function StepCard({ step, index, count, open, dragged, edge, onToggle, onMove, onDrag, onDuplicate, onDelete }: Props) {
  const { issues, tried, edit } = useEditor();
  const kind = isRecord(step.check) ? String(step.check.type ?? "") : "";
  const name = showValue(step.name ?? "").trim() || `Step ${index + 1}`;
  const faults = errorsInStep(issues, index);
  const answer = tried[String(step.id)];
  const row = useRef<HTMLDivElement>(null);
  // Other steps fold at the same moment: what was opened must not jump out of sight.
  useEffect(() => {
    if (open) row.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  const keys = (event: KeyboardEvent) => {
    const to = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: count - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    onMove(to);
  };
  return (
    <li className={clsx(styles.card, open && styles.open, dragged && styles.dragged, edge && styles[edge])} data-testid="step">
      <div ref={row} className={styles.row}>
        <button type="button" className={styles.grip} data-grip={index} aria-label={`Move ${name}: step ${index + 1} of ${count}`} aria-description="Arrow keys move it up and down" title="Drag, or press the arrow keys" onKeyDown={keys} onPointerDown={onDrag}>
          <Icon name="grip" size={16} />
        </button>
        <button type="button" className={styles.title} aria-expanded={open} onClick={onToggle}>
          <span className={styles.number}>{index + 1}</span>
          <span className={styles.words}>
            <b>{name}</b>
            <small>
              <Icon name={KIND_ICON[kind] ?? "circle"} size={13} /> {kind ? kindWord(kind) : "no kind"} <code>{targetOf(step)}</code>
            </small>
          </span>
          {step.enabled === false && <i className={styles.off}>disabled</i>}
          {answer && faults === 0 && <span className={clsx(styles.mark, answer.ok ? "tone-ok" : "tone-failed")}><Icon name={answer.ok ? "check" : "cross"} size={13} /> {answer.ok ? "tried" : "tried, failed"}</span>}
          {faults > 0 && <span className={clsx(styles.mark, "tone-failed")}><Icon name="bang" size={13} /> {plural(faults, "fault")}</span>}
          <Icon name={open ? "up" : "down"} size={15} className={styles.arrow} />
        </button>
      </div>
      {open && (
        <div className={styles.inside}>
          <StepForm step={step} index={index} />
          <StepButtons name={name} enabled={step.enabled !== false} onEnable={() => edit(setIn(["steps", index, "enabled"], step.enabled === false ? undefined : false))} single={count <= 1} onUp={index > 0 ? () => onMove(index - 1) : undefined} onDown={index < count - 1 ? () => onMove(index + 1) : undefined} onDuplicate={onDuplicate} onDelete={onDelete} />
        </div>
      )}
    </li>
  );
}
