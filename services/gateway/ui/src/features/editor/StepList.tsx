import { useEffect, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Menu, MenuItem } from "@/components/Menu";
import { addStep, deleteStep, duplicateStep, moveStep, stepsOf } from "@/lib/edits";
import { kindsOf, itemOf } from "@/lib/schema";
import { kindWord } from "@/lib/status";
import { stepOfKind } from "@/lib/templates";
import { useEditor } from "./context";
import { StepCard } from "./StepCard";
import styles from "./StepList.module.css";
import { useReorder } from "./useReorder";

type Props = { open: number | null; onOpen: (index: number | null) => void };

/** The chain, in order: to be opened, moved, copied, removed. */
export function StepList({ open, onOpen }: Props) {
  const { draft, edit, onDone } = useEditor();
  const steps = stepsOf(draft.value);
  const [said, setSaid] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const grip = useRef<number | null>(null);
  const move = (from: number, to: number) => {
    if (to < 0 || to >= steps.length || from === to) return;
    edit(moveStep(from, to));
    setSaid(`${String(steps[from]?.name ?? "Step")} is now step ${to + 1} of ${steps.length}.`);
    onOpen(open === null ? null : movedIndex(open, from, to));
    grip.current = to;
  };
  // The handle that was used moves along, and the focus with it.
  useEffect(() => {
    if (grip.current === null) return;
    list.current?.querySelector<HTMLElement>(`[data-grip="${grip.current}"]`)?.focus();
    grip.current = null;
  });
  const { dragging, over, start } = useReorder(list, steps.length, move);
  const duplicate = (index: number) => {
    edit(duplicateStep(index));
    onOpen(index + 1);
    onDone(`“${String(steps[index]?.name ?? "Step")}” was copied.`);
  };
  const remove = (index: number) => {
    edit(deleteStep(index));
    onOpen(null);
    onDone(`“${String(steps[index]?.name ?? "Step")}” was deleted.`);
  };
  return (
    <section aria-label="Steps">
      <div className={styles.head}>
        <h2>Steps</h2>
        <span>checked one after the other</span>
      </div>
      <ol ref={list} className={styles.list} aria-label="Steps of the process">
        {steps.map((step, index) => (
          <StepCard
            key={index}
            step={step}
            index={index}
            count={steps.length}
            open={open === index}
            dragged={dragging === index}
            edge={over === null || dragging === null ? null : over === index ? (over > dragging ? "below" : over < dragging ? "above" : null) : null}
            onToggle={() => onOpen(open === index ? null : index)}
            onMove={(to) => move(index, to)}
            onDrag={(event) => start(index, event)}
            onDuplicate={() => duplicate(index)}
            onDelete={() => remove(index)}
          />
        ))}
      </ol>
      <AddStep onAdded={onOpen} count={steps.length} />
      <div className="visually-hidden" aria-live="assertive">
        {said}
      </div>
    </section>
  );
}

/** Where an index is after something was moved. */
function movedIndex(index: number, from: number, to: number): number {
  if (index === from) return to;
  if (from < index && to >= index) return index - 1;
  return from > index && to <= index ? index + 1 : index;
}

function AddStep({ count, onAdded }: { count: number; onAdded: (index: number) => void }) {
  const { schema, edit } = useEditor();
  const kinds = kindsOf(schema, itemOf(schema, schema.properties?.steps ?? {}).properties?.check ?? {});
  const add = (kind: string, required: readonly string[]) => {
    edit(addStep(stepOfKind(kind, "new_step", required), count));
    onAdded(count);
  };
  return (
    <Menu
      align="start"
      trigger={
        <Button className={styles.add}>
          <Icon name="plus" size={14} /> Add step
        </Button>
      }
    >
      {kinds.map(([name, kind]) => (
        <MenuItem key={name} hint={name} onSelect={() => add(name, kind.required ?? [])}>
          {kindWord(name)}
        </MenuItem>
      ))}
    </Menu>
  );
}
