import { Button } from "@/components/Button";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Dialog, DialogActions } from "@/components/Dialog";
import type { Connection } from "@/api/types";
import { UsedBy, type useUsers } from "./UsedBy";
import styles from "./Connections.module.css";

type Props = { connection: Connection; use: ReturnType<typeof useUsers>; onConfirm: () => Promise<void>; onClose: () => void };

/** Asks before a connection goes; one that processes use stays, and the processes are named. */
export function DeleteConnection({ connection, use, onConfirm, onClose }: Props) {
  if (use.users.length > 0) {
    return (
      <Dialog title={`${connection.name} is in use`} onClose={onClose}>
        <div className={styles.inUse}>
          <p>Steps of these processes name it. Give them another connection, or delete them, before this one can go.</p>
          <UsedBy {...use} />
        </div>
        <DialogActions>
          <Button look="primary" autoFocus onClick={onClose}>
            Keep it
          </Button>
        </DialogActions>
      </Dialog>
    );
  }
  return (
    <ConfirmDialog title={`Delete ${connection.name}?`} action="Delete the connection" onClose={onClose} onConfirm={onConfirm}>
      {use.known && "No process uses it. "}Its secrets are deleted with it and cannot be brought back.
    </ConfirmDialog>
  );
}
