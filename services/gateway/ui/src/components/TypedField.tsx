import { useEffect, useState } from "react";
import { TextField } from "./Field";

const TYPING_MS = 300;

/** A text filter that waits until typing rests. */
export function TypedField({ label, placeholder, value, onChange }: { label: string; placeholder: string; value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setText(value);
  }
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onChange(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  });
  return <TextField label={label} hideLabel placeholder={placeholder} value={text} maxLength={200} onChange={(event) => setText(event.target.value)} />;
}
