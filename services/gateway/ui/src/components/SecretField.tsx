import { useState } from "react";
import { labelOf } from "@/lib/schema";
import { Button } from "./Button";
import { TextField } from "./Field";
import { Icon } from "./Icon";
import styles from "./SecretField.module.css";
import { TextArea } from "./TextArea";
import { Ago } from "./Time";

/** What becomes of a secret: untouched, replaced by a text, or taken away. */
export type SecretChange = string | null | undefined;
type Props = { name: string; held: { set: boolean; updated_at?: string | null } | undefined; change: SecretChange; error?: string | null; onChange: (change: SecretChange) => void };

/** Secrets that are whole files. */
const FILES = new Set(["client_key", "private_key", "service_account_key"]);

/** A secret can be given, replaced and taken away; what it is cannot be read by anybody. */
export function SecretField({ name, held, change, error, onChange }: Props) {
  const [typing, setTyping] = useState(!held?.set);
  const label = labelOf(name);
  if (change === null) {
    return (
      <Kept label={label} words="will be removed when you save">
        <Button onClick={() => onChange(undefined)}>Keep it</Button>
      </Kept>
    );
  }
  if (held?.set && !typing && !error) {
    return (
      <Kept label={label} words={<>is set{held.updated_at && <>, <Ago at={held.updated_at} /></>}</>}>
        <Button onClick={() => setTyping(true)}>Replace</Button>
        <Button look="danger" onClick={() => onChange(null)}>
          Remove
        </Button>
      </Kept>
    );
  }
  const field = {
    label,
    error,
    hint: held?.set ? "Left empty, the one that is set stays." : "Sealed when saved; nobody can read it again.",
    value: change ?? "",
    autoComplete: "off",
    onChange: (event: { target: { value: string } }) => onChange(event.target.value || undefined),
  };
  return FILES.has(name) ? <TextArea {...field} code rows={3} spellCheck={false} /> : <TextField {...field} type="password" autoComplete="new-password" />;
}

function Kept({ label, words, children }: { label: string; words: React.ReactNode; children: React.ReactNode }) {
  return (
    <div className={styles.kept} role="group" aria-label={label}>
      <Icon name="lock" />
      <p>
        <b>{label}</b> {words}
      </p>
      {children}
    </div>
  );
}
