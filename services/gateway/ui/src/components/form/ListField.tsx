import { type ReactNode, useState } from "react";
import { TextField } from "@/components/Field";

type Props = { label: ReactNode; hint?: ReactNode; error?: string | null; value: readonly unknown[]; preset?: unknown; onChange: (value: string[] | undefined) => void };

/** Words in one line, parted by commas. What is typed stays as typed until the field is left. */
export function ListField({ label, hint, error, value, preset, onChange }: Props) {
  const [typing, setTyping] = useState<string | null>(null);
  const placeholder = Array.isArray(preset) && preset.length ? preset.join(", ") : "parted by commas";
  const change = (text: string) => {
    setTyping(text);
    const words = text.split(",").map((word) => word.trim()).filter(Boolean);
    onChange(words.length ? words : undefined);
  };
  return <TextField label={label} hint={hint} error={error} value={typing ?? value.map(String).join(", ")} placeholder={placeholder} onChange={(event) => change(event.target.value)} onBlur={() => setTyping(null)} autoComplete="off" />;
}
