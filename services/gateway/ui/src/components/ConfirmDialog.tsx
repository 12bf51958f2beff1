import { type ReactNode, useState } from "react";
import { Button } from "./Button";
import { Dialog, DialogActions } from "./Dialog";
import { Problem } from "./States";

type Props = { title: string; children: ReactNode; action: string; onConfirm: () => Promise<void>; onClose: () => void };

/** Asks before something that cannot be taken back; closes when it is done, and stays with the reason when it is not. */
export function ConfirmDialog({ title, children, action, onConfirm, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const confirm = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setFailure(error as Error);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div>{children}</div>
      {failure && <Problem compact error={failure} />}
      <DialogActions>
        <Button onClick={onClose}>Keep it</Button>
        <Button look="danger" busy={busy} onClick={() => void confirm()}>
          {action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
