import { type ReactNode, useState } from "react";
import { stringify } from "yaml";
import { TextArea } from "@/components/TextArea";
import { readDraft } from "@/lib/draft";

type Props = { label: ReactNode; hint?: ReactNode; error?: string | null; value: unknown; onChange: (value: unknown) => void };

/** Any value, as YAML. What cannot be read yet stays in the field and is not taken over. */
export function FreeField({ label, hint, error, value, onChange }: Props) {
  const [typing, setTyping] = useState<string | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const change = (text: string) => {
    setTyping(text);
    const { value: read, faults } = readDraft(`value:\n${text.replace(/^/gm, "  ")}`);
    setFault(faults[0] ? "This is not valid YAML yet." : null);
    if (!faults[0]) onChange(text.trim() === "" ? undefined : read.value);
  };
  const shown = typing ?? (value === undefined || value === null ? "" : stringify(value, { lineWidth: 0, flowCollectionPadding: false }).trimEnd());
  return (
    <TextArea
      label={label}
      hint={hint}
      error={fault ?? error}
      code
      rows={1}
      spellCheck={false}
      value={shown}
      placeholder="YAML or JSON"
      onChange={(event) => change(event.target.value)}
      onBlur={() => fault === null && setTyping(null)}
    />
  );
}
