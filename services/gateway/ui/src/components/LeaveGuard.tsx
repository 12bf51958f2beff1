import { useBlocker } from "@tanstack/react-router";
import { Button } from "./Button";
import { Dialog, DialogActions } from "./Dialog";

/** Asks before unsaved changes are left behind, inside the application and when the tab closes. */
export function LeaveGuard({ dirty, what }: { dirty: boolean; what: string }) {
  const blocker = useBlocker({
    // What is behind `?` may choose another form, such as that of another kind of connection.
    shouldBlockFn: ({ current, next }) => dirty && (current.pathname !== next.pathname || JSON.stringify(current.search) !== JSON.stringify(next.search)),
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  return (
    <Dialog title="Leave without saving?" onClose={blocker.reset}>
      <p>Your changes to this {what} are not saved. They are lost when you leave.</p>
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
