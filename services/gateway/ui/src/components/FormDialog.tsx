import { type FormEvent, type ReactNode, useState } from "react";
import { fieldFaults, unplaced } from "@/lib/faults";
import { Button } from "./Button";
import { Dialog, DialogActions } from "./Dialog";
import styles from "./FormDialog.module.css";
import { Problem } from "./States";

type Props = {
  title: string;
  subtitle?: ReactNode;
  action: string;
  /** Names of the fields that show their own error; the rest is said above the buttons. */
  fields: readonly string[];
  onSubmit: () => Promise<void>;
  onClose: () => void;
  children: (errors: Readonly<Record<string, string>>) => ReactNode;
};

/** A form in a dialog: what the server refuses stands at its field, and the dialog stays until it is saved. */
export function FormDialog({ title, subtitle, action, fields, onSubmit, onClose, children }: Props) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await onSubmit();
    } catch (error) {
      setFailure(error as Error);
    }
    setBusy(false);
  };
  const errors = fieldFaults(failure);
  const rest = unplaced(failure, fields);
  return (
    <Dialog title={title} subtitle={subtitle} onClose={onClose}>
      <form className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
        {children(errors)}
        {rest && <Problem compact error={rest} />}
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={busy}>
            {action}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
