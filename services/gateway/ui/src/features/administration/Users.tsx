import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { deleteUser, makeSignInLink, usersQuery } from "@/api/administration";
import type { User } from "@/api/types";
import { useMe } from "@/api/useMe";
import { Button } from "@/components/Button";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Dialog, DialogActions } from "@/components/Dialog";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { Revealed } from "@/components/Revealed";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign, Tag } from "@/components/Sign";
import { Problem } from "@/components/States";
import { Ago } from "@/components/Time";
import { ROLES } from "@/lib/people";
import { urls } from "@/lib/urls";
import styles from "./Administration.module.css";
import { UserDialog } from "./UserDialog";

type Open = { what: "new" } | { what: "edit" | "delete"; user: User } | { what: "link"; user: User; address: string; until: string } | null;

/** Who may sign in, and as what. */
export function Users() {
  const me = useMe();
  const queries = useQueryClient();
  const [open, setOpen] = useState<Open>(null);
  const [failure, setFailure] = useState<Error | null>(null);
  const query = useInfiniteQuery(usersQuery);
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: ["users"] });
  const close = () => setOpen(null);
  const invite = async (user: User) => {
    setFailure(null);
    try {
      const { path, expires_at } = await makeSignInLink(user.user_id);
      setOpen({ what: "link", user, address: urls.here(path), until: expires_at });
    } catch (error) {
      setFailure(error as Error);
    }
  };
  const columns: Column<User>[] = [
    {
      title: "Account",
      cell: ({ username, user_id }) => (
        <>
          <b>{username}</b> {user_id === me?.user_id && <Tag>you</Tag>}
        </>
      ),
    },
    { title: "Role", look: "fill", cell: ({ role }) => <Named name={role} about={ROLES.find((one) => one.role === role)?.may} /> },
    { title: "State", cell: ({ active }) => (active ? <Sign tone="ok">active</Sign> : <Sign tone="skipped">switched off</Sign>) },
    { title: "Last sign-in", look: "end", cell: ({ last_sign_in_at }) => (last_sign_in_at ? <Ago at={last_sign_in_at} /> : <span className={styles.quiet}>never</span>) },
    {
      title: "What to do",
      look: "act",
      cell: (user) => (
        <>
          <Button look="quiet" aria-label={`Sign-in link for ${user.username}`} disabled={!user.active} onClick={() => void invite(user)}>
            Sign-in link
          </Button>
          <Button look="quiet" aria-label={`Change ${user.username}`} onClick={() => setOpen({ what: "edit", user })}>
            Change
          </Button>
          <Button look="quiet" aria-label={`Delete ${user.username}`} disabled={user.user_id === me?.user_id} onClick={() => setOpen({ what: "delete", user })}>
            Delete
          </Button>
        </>
      ),
    },
  ];
  return (
    <>
      <Toolbar>
        <p>Every role may do what the one before it may. A new account signs in by a link that works once, or with a password you set.</p>
        <Button onClick={() => setOpen({ what: "new" })}>
          <Icon name="plus" /> New account
        </Button>
      </Toolbar>
      {failure && <Problem compact error={failure} />}
      <Listing read={query} count={rows.length} label="accounts" empty={null}>
        <RowTable label="Accounts" columns={columns} rows={rows} keyOf={(row) => row.user_id} />
      </Listing>
      {(open?.what === "new" || open?.what === "edit") && (
        <UserDialog
          user={open.what === "edit" ? open.user : undefined}
          onClose={close}
          onSaved={() => {
            close();
            void refresh();
          }}
        />
      )}
      {open?.what === "link" && (
        <Dialog title={`Sign-in link for ${open.user.username}`} onClose={close}>
          <div className={styles.note}>
            <p>
              It signs in once, until <Ago at={open.until} />. Send it by a way that only this person reads.
            </p>
            <Revealed label="Sign-in link" text={open.address} />
          </div>
          <DialogActions>
            <Button look="primary" onClick={close}>
              Done
            </Button>
          </DialogActions>
        </Dialog>
      )}
      {open?.what === "delete" && (
        <ConfirmDialog
          title={`Delete ${open.user.username}?`}
          action="Delete the account"
          onClose={close}
          onConfirm={async () => {
            await deleteUser(open.user.user_id);
            await refresh();
          }}
        >
          <p>Sessions and tokens of this account end at once. Its name stays in the history. To shut it out for a while, switch it off instead.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
