import { SelectField, TextField } from "@/components/Field";
import { Fold } from "@/components/Fold";
import { TextArea } from "@/components/TextArea";
import { type MailDraft, recipientsFault, SECURITIES, type Security, withSecurity } from "@/lib/notifications";
import styles from "./Notifications.module.css";

type Props = {
  draft: MailDraft;
  onChange: (draft: MailDraft) => void;
  secret: string;
  /** Whether the channel has a password already. */
  secretSet: boolean;
  onSecret: (secret: string) => void;
  errors: Readonly<Record<string, string>>;
};

const ENCRYPTION = SECURITIES.map(([name, words, port]) => [name, `${words} (usually port ${port})`] as const);

/** Through which mail server, who writes, who reads. */
export function MailFields({ draft, onChange, secret, secretSet, onSecret, errors }: Props) {
  const set = (name: keyof MailDraft) => (event: { target: { value: string } }) => onChange({ ...draft, [name]: event.target.value });
  return (
    <>
      <TextArea
        label="Recipients"
        value={draft.recipients}
        rows={2}
        placeholder="desk@example.com"
        hint="One address a line, at most 50. Each sees the others."
        error={recipientsFault(errors, draft.recipients)}
        onChange={set("recipients")}
        spellCheck={false}
      />
      <TextField label="Sender" placeholder="Steptrail <steptrail@example.com>" value={draft.sender} error={errors["email.sender"]} onChange={set("sender")} autoComplete="off" maxLength={400} />
      <div className={styles.server}>
        <TextField label="Mail server" placeholder="smtp.example.com" value={draft.host} error={errors["email.host"]} onChange={set("host")} autoComplete="off" maxLength={255} />
        <TextField label="Port" inputMode="numeric" value={draft.port} error={errors["email.port"]} onChange={set("port")} autoComplete="off" maxLength={5} />
      </div>
      <SelectField
        label="Encryption"
        value={draft.security}
        options={ENCRYPTION}
        error={errors["email.security"]}
        hint={draft.security === "none" ? "Anybody on the way can read the messages, and no account can sign in." : undefined}
        onChange={(event) => onChange(withSecurity(draft, event.target.value as Security))}
      />
      {draft.security !== "none" && (
        <>
          <div className={styles.pair}>
            <TextField label="Account" hint="If the server wants one" value={draft.account} error={errors["email.username"]} onChange={set("account")} autoComplete="off" maxLength={254} />
            <TextField
              label="Password"
              type="password"
              value={secret}
              error={errors.secret}
              hint={secretSet ? "Left empty, the one that is set stays." : "Sealed when saved; nobody can read it again."}
              onChange={(event) => onSecret(event.target.value)}
              autoComplete="new-password"
              maxLength={500}
            />
          </div>
          <Fold className={styles.more} open={errors["email.ca_certificate"] !== undefined}>
            <summary>Certificate of its own authority{draft.authority && " (set)"}</summary>
            <TextArea
              label="Authority (PEM)"
              hideLabel
              code
              rows={3}
              value={draft.authority}
              error={errors["email.ca_certificate"]}
              placeholder="-----BEGIN CERTIFICATE-----"
              hint="Of whoever signed the server's certificate, unless this machine trusts them."
              onChange={set("authority")}
              spellCheck={false}
            />
          </Fold>
        </>
      )}
    </>
  );
}
