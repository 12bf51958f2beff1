import { useState } from "react";
import { Button } from "./Button";
import { Icon } from "./Icon";
import styles from "./Revealed.module.css";

/** Something that is shown this once, with a button that copies it. */
export function Revealed({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState<"no" | "yes" | "refused">("no");
  const copy = () =>
    navigator.clipboard
      ? void navigator.clipboard.writeText(text).then(
          () => setCopied("yes"),
          () => setCopied("refused"),
        )
      : setCopied("refused");
  return (
    <div className={styles.revealed}>
      <input type="text" readOnly value={text} aria-label={label} onFocus={(event) => event.target.select()} />
      <Button onClick={copy}>
        <Icon name="copy" /> <span aria-live="polite">{{ no: "Copy", yes: "Copied", refused: "Mark the text to copy it" }[copied]}</span>
      </Button>
    </div>
  );
}
