import { useBlocker } from "@tanstack/react-router";
import { Button } from "@/components/Button";
import { Dialog, DialogActions } from "@/components/Dialog";

/** Asks before unsaved changes are left behind, inside the application and when the tab closes. */
export function LeaveGuard({ dirty }: { dirty: boolean }) {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  return (
    <Dialog title="Leave without saving?" onClose={blocker.reset}>
      <p>Your changes to this process are not saved. They are lost when you leave.</p>
      <DialogActions>
        <Button look="danger" onClick={blocker.proceed}>
          Leave
        </Button>
        <Button look="primary" autoFocus onClick={blocker.reset}>
          Stay
        </Button>
      </DialogActions>
    </Dialog>
  );
}
