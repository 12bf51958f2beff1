import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";
import { Revealed } from "@/components/Revealed";
import styles from "./Notifications.module.css";

/** The key that receivers verify messages with; this is the only time it is shown. */
export function SigningKey({ name, signingKey, onClose }: { name: string; signingKey: string; onClose: () => void }) {
  return (
    <Dialog title={`Signing key of ${name}`} onClose={onClose}>
      <div className={styles.note}>
        <p>The receiver verifies with it that a message comes from here. It is shown this once: store it now.</p>
        <Revealed label="Signing key" text={signingKey} />
      </div>
      <DialogActions>
        <Button look="primary" onClick={onClose}>
          I have stored it
        </Button>
      </DialogActions>
    </Dialog>
  );
}
