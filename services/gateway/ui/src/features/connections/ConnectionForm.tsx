import { type FormEvent, useState } from "react";
import { flushSync } from "react-dom";
import type { Connection, ConnectionWrite } from "@/api/types";
import { Button } from "@/components/Button";
import { TextField } from "@/components/Field";
import { Fold } from "@/components/Fold";
import { SchemaForm } from "@/components/form/SchemaForm";
import { LeaveGuard } from "@/components/LeaveGuard";
import { SecretField } from "@/components/SecretField";
import { Problem } from "@/components/States";
import { TextArea } from "@/components/TextArea";
import { idFrom, ordered, rareFields, secretsOf, settingsToSend, unusedFields, withValue } from "@/lib/connection";
import type { Path } from "@/lib/draft";
import { fieldFaults, unplaced } from "@/lib/faults";
import type { Schema } from "@/lib/schema";
import styles from "./Connections.module.css";
import { type Draft, draftOf } from "./draft";

type Props = {
  root: Schema;
  kind: string;
  schema: Schema;
  connection?: Connection;
  onSave: (body: ConnectionWrite) => Promise<unknown>;
  onDirty?: (dirty: boolean) => void;
};

/** The form of a connection of one kind, made from its schema. */
export function ConnectionForm({ root, kind, schema, connection, onSave, onDirty }: Props) {
  const [draft, setDraft] = useState(() => draftOf(connection));
  const [dirty, setDirty] = useState(connection === undefined);
  const [unsaved, setUnsaved] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const change = (part: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...part }));
    setUnsaved(true);
    if (!dirty) {
      setDirty(true);
      onDirty?.(true);
    }
  };
  const id = draft.id ?? idFrom(draft.name);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    flushSync(() => setUnsaved(false));
    const secrets = Object.fromEntries(Object.entries(draft.secrets).filter(([, secret]) => secret !== undefined)) as Record<string, string | null>;
    const settings = settingsToSend(kind, schema, draft.settings) as unknown as ConnectionWrite["settings"];
    try {
      await onSave({ connection_id: id, name: draft.name.trim(), description: draft.description.trim() || null, settings, secrets });
    } catch (error) {
      setFailure(error as Error);
      setUnsaved(true);
      setBusy(false);
    }
  };
  const errors = fieldFaults(failure);
  const unused = unusedFields(schema, draft.settings);
  const rare = rareFields(schema).filter((name) => !unused.includes(name));
  const form = { root, schema: ordered(schema), value: draft.settings, path: [], errors, onChange: (path: Path, value: unknown) => change({ settings: withValue(draft.settings, path, value) }) };
  const secrets = secretsOf(schema, draft.settings, connection?.secrets ?? {});
  const rest = unplaced(failure, ["name", "description", "connection_id", ...Object.keys(schema.properties ?? {}), ...secrets.map((name) => `secrets.${name}`)]);
  return (
    <form className={styles.form} onSubmit={(event) => void save(event)} noValidate aria-label="Connection">
      <div className={styles.pair}>
        <TextField label="Name" value={draft.name} error={errors.name} maxLength={200} onChange={(event) => change({ name: event.target.value })} autoComplete="off" />
        <TextField
          label="Id"
          hint={connection ? "Steps name it; it stays." : "How steps name it"}
          value={id}
          error={errors.connection_id}
          readOnly={connection !== undefined}
          maxLength={64}
          onChange={(event) => change({ id: event.target.value })}
          autoComplete="off"
          spellCheck={false}
        />
      </div>
      <TextArea label="Description" rows={2} value={draft.description} error={errors.description} maxLength={2000} onChange={(event) => change({ description: event.target.value })} />
      <div className={styles.part}>
        <h2>Target</h2>
        <SchemaForm {...form} without={[...unused, ...rare]} />
        {rare.length > 0 && (
          <Fold className={styles.rare} open={rare.some((name) => draft.settings[name] !== undefined || Boolean(errors[name]))}>
            <summary>More settings</summary>
            <SchemaForm {...form} only={rare} />
          </Fold>
        )}
      </div>
      {secrets.length > 0 && (
        <div className={styles.part}>
          <h2>Secrets</h2>
          {secrets.map((name) => (
            <SecretField
              key={name}
              name={name}
              held={connection?.secrets[name]}
              change={draft.secrets[name]}
              error={errors[`secrets.${name}`]}
              onChange={(secret) => change({ secrets: { ...draft.secrets, [name]: secret } })}
            />
          ))}
        </div>
      )}
      {rest && <Problem compact error={rest} />}
      <LeaveGuard dirty={unsaved} what="connection" />
      <div className={styles.actions}>
        <Button type="submit" look="primary" busy={busy} disabled={!dirty}>
          {connection ? "Save" : "Make the connection"}
        </Button>
      </div>
    </form>
  );
}
