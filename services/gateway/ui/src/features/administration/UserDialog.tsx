import { useState } from "react";
import { createUser, saveUser } from "@/api/administration";
import type { Role, User, UserWrite } from "@/api/types";
import { CheckField } from "@/components/CheckField";
import { SelectField, TextField } from "@/components/Field";
import { FormDialog } from "@/components/FormDialog";
import { roleOptions, rolesUpTo } from "@/lib/people";

type Props = { user?: User; onClose: () => void; onSaved: () => void };

export function UserDialog({ user, onClose, onSaved }: Props) {
  const [username, setUsername] = useState(user?.username ?? "");
  const [role, setRole] = useState<Role>(user?.role ?? "viewer");
  const [password, setPassword] = useState("");
  const [active, setActive] = useState(user?.active ?? true);
  const submit = async () => {
    const body: UserWrite = { username: username.trim(), role, active, ...(password ? { password } : {}) };
    await (user ? saveUser(user.user_id, body) : createUser(body));
    onSaved();
  };
  return (
    <FormDialog
      title={user ? `Change ${user.username}` : "New account"}
      subtitle={user ? "A new password, a lower role and switching off end its sessions." : undefined}
      action={user ? "Save" : "Make the account"}
      fields={["username", "role", "password", "active"]}
      onSubmit={submit}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextField label="User name" hint="Letters, digits and . _ @ -" value={username} error={errors.username} onChange={(event) => setUsername(event.target.value)} autoComplete="off" maxLength={200} spellCheck={false} />
          <SelectField label="Role" value={role} error={errors.role} onChange={(event) => setRole(event.target.value as Role)} options={roleOptions(rolesUpTo("admin"))} />
          <TextField
            label="New password"
            type="password"
            hint={user ? "Left empty, the password stays. At least 12 characters." : "May be left empty: then send a sign-in link. At least 12 characters."}
            value={password}
            error={errors.password}
            onChange={(event) => setPassword(event.target.value)}
            autoComplete="new-password"
          />
          {user && <CheckField label="Active" hint="An account that is switched off cannot sign in." checked={active} onChange={setActive} />}
        </>
      )}
    </FormDialog>
  );
}
