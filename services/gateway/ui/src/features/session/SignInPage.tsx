import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { signIn, signInByLink } from "@/api/commands";
import { meQuery } from "@/api/queries";
import type { Me } from "@/api/types";
import { Button } from "@/components/Button";
import { TextField } from "@/components/Field";
import { Logo } from "@/components/Icon";
import { Page } from "@/components/Page";
import { safeNext } from "@/lib/search";
import styles from "./SignInPage.module.css";

/** The one-time code behind `#`, which is taken out of the address at once. Read once, before the first draw. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

export function SignInPage() {
  const search = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [code, setCode] = useState(takeCode);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const used = useRef(false);

  const enter = async (attempt: Promise<Me>) => {
    setBusy(true);
    setError(null);
    try {
      const me = await attempt;
      queries.clear();
      queries.setQueryData(meQuery.queryKey, me);
      await navigate({ href: safeNext(search.next), replace: true });
    } catch (problem) {
      setError((problem as Error).message);
      setCode(null);
    } finally {
      setBusy(false);
    }
  };

  useEffect(() => {
    if (!code || used.current) return;
    used.current = true;
    void enter(signInByLink(code));
  });

  return (
    <Page title="Sign in" className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <Logo size={30} />
          <h1>Steptrail</h1>
        </div>
        <p className={styles.claim}>Where is it stuck?</p>
        {search.ended && !error && <p className={styles.ended}>Your session has ended. Sign in to go on where you were.</p>}
        {error && (
          <p className={styles.error} role="alert">
            {error}
          </p>
        )}
        {code ? <p role="status">Signing you in with your link…</p> : <PasswordForm busy={busy} onSubmit={(name, password) => void enter(signIn(name, password))} />}
      </div>
    </Page>
  );
}

function PasswordForm({ busy, onSubmit }: { busy: boolean; onSubmit: (name: string, password: string) => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState(false);
  return (
    <form
      className={styles.form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const complete = name.trim() !== "" && password !== "";
        setMissing(!complete);
        if (complete) onSubmit(name.trim(), password);
      }}
    >
      <TextField
        label="User name"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        autoFocus
        maxLength={200}
        value={name}
        error={missing && name.trim() === "" ? "Enter your user name." : null}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        maxLength={1024}
        value={password}
        error={missing && password === "" ? "Enter your password." : null}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Button type="submit" look="primary" busy={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}
