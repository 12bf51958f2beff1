import { type ReactNode, useState } from "react";
import { TextField } from "@/components/Field";
import { expectedOf, expectedText } from "@/lib/assertion";

type Props = { label: ReactNode; hideLabel?: boolean; hint?: string; operator: string; value: unknown; onChange: (value: unknown) => void };

/** A value with its type: `200` is a number, `"200"` a text, `a, b` a list where the operator wants one. */
export function ExpectedField({ label, hideLabel, hint, operator, value, onChange }: Props) {
  const [typing, setTyping] = useState<string | null>(null);
  const change = (text: string) => {
    setTyping(text);
    onChange(expectedOf(text, operator));
  };
  return <TextField label={label} hideLabel={hideLabel} hint={hint} value={typing ?? expectedText(value)} onChange={(event) => change(event.target.value)} onBlur={() => setTyping(null)} autoComplete="off" spellCheck={false} />;
}
