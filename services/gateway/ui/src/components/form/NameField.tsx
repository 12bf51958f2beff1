import { useState } from "react";
import { TextField } from "@/components/Field";
import { isName } from "@/lib/ids";

type Props = {
  label?: string;
  name: string;
  taken: readonly string[];
  error?: string | null;
  /** What the new name brings with it, said while it is typed. */
  hint?: string;
  onRename: (to: string) => void;
};

/** The name is taken over when the field is left, or with Enter: half a name would be another thing. */
export function NameField({ label = "Name", name, taken, error, hint, onRename }: Props) {
  const [typing, setTyping] = useState<string | null>(null);
  const wanted = typing?.trim() ?? name;
  const fault = wanted !== name && taken.includes(wanted) ? "This name is taken." : isName(wanted) ? null : "Small letters, digits and _, a letter first.";
  const leave = () => {
    if (fault === null) onRename(wanted);
    setTyping(null);
  };
  return (
    <TextField
      label={label}
      value={typing ?? name}
      error={typing === null ? error : fault}
      hint={wanted === name ? undefined : hint}
      onChange={(event) => setTyping(event.target.value)}
      onBlur={leave}
      onKeyDown={(event) => event.key === "Enter" && leave()}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
