import { useEffect } from "react";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import styles from "./Editor.module.css";

const SHOWN_MS = 12_000;

/** Says what was done, with a way back, and goes by itself. */
export function Notice({ words, onUndo, onClose }: { words: string | null; onUndo?: () => void; onClose: () => void }) {
  useEffect(() => {
    if (!words) return;
    const timer = setTimeout(onClose, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [words, onClose]);
  const undoable = words !== null && !words.startsWith("Saved");
  return (
    <div className={styles.noticePlace} role="status" aria-label="Done">
      {words && (
        <div className={styles.notice}>
          <span>{words}</span>
          {undoable && onUndo && (
            <Button
              look="quiet"
              onClick={() => {
                onUndo();
                onClose();
              }}
            >
              Undo
            </Button>
          )}
          <button type="button" aria-label="Dismiss" onClick={onClose}>
            <Icon name="cross" size={14} />
          </button>
        </div>
      )}
    </div>
  );
}
