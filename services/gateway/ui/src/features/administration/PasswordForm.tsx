import { type FormEvent, useState } from "react";
import { changePassword } from "@/api/administration";
import { useMe } from "@/api/useMe";
import { Button } from "@/components/Button";
import { TextField } from "@/components/Field";
import { Problem } from "@/components/States";
import { fieldFaults, unplaced } from "@/lib/faults";
import styles from "./Administration.module.css";

export function PasswordForm() {
  const me = useMe();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const [failure, setFailure] = useState<Error | null>(null);
  const differs = again !== "" && again !== next;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setState("busy");
    setFailure(null);
    try {
      await changePassword(current, next);
      setCurrent("");
      setNext("");
      setAgain("");
      setState("done");
    } catch (error) {
      setFailure(error as Error);
      setState("idle");
    }
  };
  const errors = fieldFaults(failure);
  const rest = unplaced(failure, ["current_password", "new_password"]);
  return (
    <form className={styles.password} onSubmit={(event) => void submit(event)} noValidate aria-label="Change your password">
      <input type="text" name="username" autoComplete="username" value={me?.username ?? ""} readOnly hidden />
      <TextField label="Current password" type="password" autoComplete="current-password" value={current} error={errors.current_password} onChange={(event) => setCurrent(event.target.value)} />
      <TextField label="New password" type="password" autoComplete="new-password" hint="At least 12 characters" value={next} error={errors.new_password} onChange={(event) => setNext(event.target.value)} />
      <TextField label="New password again" type="password" autoComplete="new-password" value={again} error={differs ? "The two are not the same." : null} onChange={(event) => setAgain(event.target.value)} />
      {rest && <Problem compact error={rest} />}
      <Button type="submit" busy={state === "busy"} disabled={!current || !next || again !== next}>
        Change the password
      </Button>
      <p role="status" className={styles.done}>
        {state === "done" && "Your password is changed."}
      </p>
    </form>
  );
}
