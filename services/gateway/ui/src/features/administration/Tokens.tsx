import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createToken, revokeToken, tokensQuery } from "@/api/administration";
import type { Role, Token } from "@/api/types";
import { useMe } from "@/api/useMe";
import { Button } from "@/components/Button";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Dialog, DialogActions } from "@/components/Dialog";
import { SelectField, TextField } from "@/components/Field";
import { FormDialog } from "@/components/FormDialog";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { Revealed } from "@/components/Revealed";
import { type Column, RowTable } from "@/components/RowTable";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { roleOptions, rolesUpTo } from "@/lib/people";
import styles from "./Administration.module.css";

const LIFETIMES: [string, string][] = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
  ["", "no end"],
];

/** Tokens of the signed-in person, for programs. */
export function Tokens() {
  const queries = useQueryClient();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const query = useInfiniteQuery(tokensQuery);
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: ["tokens"] });
  const columns: Column<Token>[] = [
    { title: "Token", look: "fill", cell: ({ name }) => <b>{name}</b> },
    { title: "Role", cell: ({ role }) => role },
    { title: "Made", look: "end", cell: ({ created_at }) => <Ago at={created_at} /> },
    { title: "Last used", look: "end", cell: ({ last_used_at }) => (last_used_at ? <Ago at={last_used_at} /> : <span className={styles.quiet}>never</span>) },
    { title: "Ends", look: "end", cell: ({ expires_at }) => (expires_at ? <Ago at={expires_at} /> : <span className={styles.quiet}>never</span>) },
    {
      title: "What to do",
      look: "act",
      cell: (token) => (
        <Button look="quiet" aria-label={`Revoke ${token.name}`} onClick={() => setRevoking(token)}>
          Revoke
        </Button>
      ),
    },
  ];
  return (
    <>
      <Toolbar>
        <p>A token signs a program in as you, with at most your role. The command line takes it as <code>STEPTRAIL_TOKEN</code>.</p>
        <Button onClick={() => setMaking(true)}>
          <Icon name="plus" /> New token
        </Button>
      </Toolbar>
      <Listing read={query} count={rows.length} label="tokens" rows={3} empty={<Empty icon="key" title="You have no tokens">Make one for each program, so that each can be revoked alone.</Empty>}>
        <RowTable label="Your tokens" columns={columns} rows={rows} keyOf={(row) => row.token_id} />
      </Listing>
      {making && (
        <TokenDialog
          onClose={() => setMaking(false)}
          onMade={(name, token) => {
            setMaking(false);
            setMade({ name, token });
            void refresh();
          }}
        />
      )}
      {made && (
        <Dialog title={`Token ${made.name}`} onClose={() => setMade(null)}>
          <div className={styles.note}>
            <p>It is shown this once: store it now.</p>
            <Revealed label="Token" text={made.token} />
          </div>
          <DialogActions>
            <Button look="primary" onClick={() => setMade(null)}>
              I have stored it
            </Button>
          </DialogActions>
        </Dialog>
      )}
      {revoking && (
        <ConfirmDialog
          title={`Revoke ${revoking.name}?`}
          action="Revoke the token"
          onClose={() => setRevoking(null)}
          onConfirm={async () => {
            await revokeToken(revoking.token_id);
            await refresh();
          }}
        >
          <p>Programs that use it are refused from this moment on.</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function TokenDialog({ onClose, onMade }: { onClose: () => void; onMade: (name: string, token: string) => void }) {
  const own = useMe()?.role;
  const roles = rolesUpTo(own);
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>(roles.includes("operator") ? "operator" : "viewer");
  const [days, setDays] = useState("90");
  const submit = async () => {
    const made = await createToken({ name: name.trim(), role, expires_in_days: days ? Number(days) : null });
    onMade(made.name, made.token);
  };
  return (
    <FormDialog title="New token" action="Make the token" fields={["name", "role", "expires_in_days"]} onSubmit={submit} onClose={onClose}>
      {(errors) => (
        <>
          <TextField label="Name" hint="What will use it" value={name} error={errors.name} onChange={(event) => setName(event.target.value)} autoComplete="off" maxLength={200} />
          <SelectField label="Role" value={role} error={errors.role} onChange={(event) => setRole(event.target.value as Role)} options={roleOptions(roles)} />
          <SelectField label="Ends after" value={days} error={errors.expires_in_days} onChange={(event) => setDays(event.target.value)} options={LIFETIMES} />
        </>
      )}
    </FormDialog>
  );
}
