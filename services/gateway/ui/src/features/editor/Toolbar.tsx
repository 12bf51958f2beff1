import { useNavigate } from "@tanstack/react-router";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Menu, MenuItem } from "@/components/Menu";
import styles from "./Editor.module.css";

export type Side = "form" | "yaml";
type Props = {
  canUndo: boolean;
  canRedo: boolean;
  onUndo: () => void;
  onRedo: () => void;
  side: Side;
  onSide: (side: Side) => void;
  onPlan: () => void;
  onRevisions: (() => void) | null;
  processId: string | null;
  onDelete: () => void;
  saving: boolean;
  canSave: boolean;
  onSave: () => void;
};

/** What can be done with the draft; it stays in sight. */
export function Toolbar(props: Props) {
  return (
    <div className={styles.toolbar} role="group" aria-label="Editor">
      <Button look="quiet" aria-label="Undo" title="Undo (Ctrl Z)" disabled={!props.canUndo} onClick={props.onUndo}>
        <Icon name="retry" className={styles.mirrored} />
      </Button>
      <Button look="quiet" aria-label="Redo" title="Redo (Ctrl Y)" disabled={!props.canRedo} onClick={props.onRedo}>
        <Icon name="retry" />
      </Button>
      <div className={styles.sides} role="group" aria-label="Show">
        {(["form", "yaml"] as const).map((side) => (
          <button key={side} type="button" aria-pressed={props.side === side} onClick={() => props.onSide(side)}>
            {side === "form" ? "Form" : "YAML"}
          </button>
        ))}
      </div>
      <span className={styles.space} />
      {props.onRevisions && (
        <Button className={styles.rare} onClick={props.onRevisions}>
          Revisions
        </Button>
      )}
      <Button className={styles.rare} onClick={props.onPlan}>
        Plan
      </Button>
      <RareMenu {...props} />
      <Button look="primary" busy={props.saving} disabled={!props.canSave} onClick={props.onSave} title="Save (Ctrl S)">
        {props.saving ? "Saving…" : "Save"}
      </Button>
    </div>
  );
}

/** What is wanted seldom; and what has no room beside the others. */
function RareMenu({ processId, onPlan, onRevisions, onDelete }: Props) {
  const navigate = useNavigate();
  const narrow = window.matchMedia("(max-width: 640px)").matches;
  return (
    <Menu
      trigger={
        <Button className={processId ? undefined : styles.narrow} aria-label="More">
          <Icon name="dots" />
        </Button>
      }
    >
      {narrow && <MenuItem onSelect={onPlan}>Plan</MenuItem>}
      {narrow && onRevisions && <MenuItem onSelect={onRevisions}>Revisions</MenuItem>}
      {processId && <MenuItem onSelect={() => void navigate({ to: "/processes/new", search: { from: processId } })}>Duplicate</MenuItem>}
      {processId && <MenuItem onSelect={onDelete}>Delete process</MenuItem>}
    </Menu>
  );
}
