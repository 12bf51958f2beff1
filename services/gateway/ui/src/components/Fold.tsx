import { type ComponentProps, useState } from "react";

/** What is rarely needed, folded away. `open` unfolds it; only its reader folds it again: a form that folds when its first
 * value is typed, or its last fault is mended, hides the field that has the focus. */
export function Fold({ open = false, ...rest }: ComponentProps<"details">) {
  const [shown, setShown] = useState(open);
  const [asked, setAsked] = useState(open);
  if (asked !== open) {
    setAsked(open);
    if (open) setShown(true);
  }
  return <details {...rest} open={shown} onToggle={(event) => setShown(event.currentTarget.open)} />;
}
