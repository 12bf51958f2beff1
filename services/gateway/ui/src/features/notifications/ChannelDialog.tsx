import { useState } from "react";
import { createChannel, saveChannel } from "@/api/notifications";
import type { Channel, ChannelWrite } from "@/api/types";
import { CheckField } from "@/components/CheckField";
import { SelectField, TextField } from "@/components/Field";
import { FormDialog } from "@/components/FormDialog";
import { idFrom } from "@/lib/connection";
import { mailDraft, mailFrom } from "@/lib/notifications";
import { MailFields } from "./MailFields";
import styles from "./Notifications.module.css";

type Props = { channel?: Channel; onClose: () => void; onSaved: (name: string, signingKey: string | null) => void };

const KINDS = [
  ["webhook", "Webhook"],
  ["email", "E-mail"],
] as const;

export function ChannelDialog({ channel, onClose, onSaved }: Props) {
  const [kind, setKind] = useState(channel?.kind ?? "webhook");
  const [name, setName] = useState(channel?.name ?? "");
  const [id, setId] = useState<string | null>(channel?.channel_id ?? null);
  const [url, setUrl] = useState(channel?.url ?? "");
  const [mail, setMail] = useState(() => mailDraft(channel?.email));
  const [secret, setSecret] = useState("");
  const [active, setActive] = useState(channel?.active ?? true);
  const channelId = id ?? idFrom(name);
  const submit = async () => {
    const place = kind === "email" ? { email: mailFrom(mail) } : { url: url.trim() };
    const body: ChannelWrite = { channel_id: channelId, kind, name: name.trim(), active, ...place, ...(secret ? { secret } : {}) };
    if (channel) {
      await saveChannel(body);
      onSaved(body.name, null);
    } else onSaved(body.name, (await createChannel(body)).signing_key ?? null);
  };
  return (
    <FormDialog title={channel ? `Change ${channel.name}` : "New channel"} action={channel ? "Save" : "Make the channel"} fields={["name", "channel_id", "url", "email", "secret"]} onSubmit={submit} onClose={onClose}>
      {(errors) => (
        <>
          {!channel && (
            <SelectField
              label="Kind"
              value={kind}
              options={KINDS}
              hint={kind === "email" ? "For people, through a mail server." : "For systems: signed JSON to an address of yours."}
              onChange={(event) => {
                setKind(event.target.value as Channel["kind"]);
                setSecret("");
              }}
            />
          )}
          <div className={styles.pair}>
            <TextField label="Name" value={name} error={errors.name} onChange={(event) => setName(event.target.value)} autoComplete="off" maxLength={200} />
            <TextField
              label="Id"
              value={channelId}
              readOnly={channel !== undefined}
              hint={channel ? "It stays." : "How definitions name it"}
              error={errors.channel_id}
              onChange={(event) => setId(event.target.value)}
              autoComplete="off"
              maxLength={64}
            />
          </div>
          {kind === "email" ? (
            <MailFields draft={mail} onChange={setMail} secret={secret} secretSet={channel?.secret_set ?? false} onSecret={setSecret} errors={errors} />
          ) : (
            <>
              <TextField label="Webhook address" type="url" placeholder="https://" value={url} error={errors.url} onChange={(event) => setUrl(event.target.value)} autoComplete="off" maxLength={2000} />
              <TextField
                label="Signing key"
                type="password"
                value={secret}
                error={errors.secret}
                placeholder="whsec_…"
                hint={channel ? "Left empty, the one that is set stays." : "Left empty, one is made and shown once."}
                onChange={(event) => setSecret(event.target.value)}
                autoComplete="new-password"
              />
            </>
          )}
          <CheckField label="On" hint="A channel that is off is sent nothing." checked={active} onChange={setActive} />
        </>
      )}
    </FormDialog>
  );
}
