import { useEffect, useState } from "react";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { TextField } from "@/components/Field";
import { urls } from "@/lib/urls";

const SAID_MS = 2000;

/** Copies the lasting address of the run. Where the browser refuses the clipboard, the address is shown to be copied. */
export function ShareButton({ runId, step }: { runId: string; step: string | undefined }) {
  const address = urls.run(runId, { step });
  const [state, setState] = useState<"idle" | "copied" | "shown">("idle");
  useEffect(() => {
    if (state !== "copied") return;
    const timer = setTimeout(() => setState("idle"), SAID_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const share = async () => {
    try {
      await navigator.clipboard.writeText(address);
      setState("copied");
    } catch {
      setState("shown");
    }
  };
  return (
    <>
      <Button onClick={() => void share()} title="Copy a link to this run">
        <span aria-live="polite">{state === "copied" ? "Link copied" : "Share"}</span>
      </Button>
      {state === "shown" && (
        <Dialog title="Link to this run" onClose={() => setState("idle")}>
          <TextField label="Address" readOnly value={address} onFocus={(event) => event.target.select()} autoFocus />
        </Dialog>
      )}
    </>
  );
}
