import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { latestRunQuery, processQuery, runQuery } from "@/api/queries";
import type { RunSummary, RunView } from "@/api/types";
import { openingStep, plannedChain } from "@/lib/chain";
import type { Shown } from "./types";

type Binding = { processId: string; runId: string | undefined; stepId: string | undefined };

/**
 * Which run and step are shown. Without a run in the address the page follows the latest one, until someone
 * touches the page: from then on it stays, and a newer run is only offered.
 */
export function useShown({ processId, runId, stepId }: Binding) {
  const process = useQuery(processQuery(processId));
  const latest = useQuery(latestRunQuery(processId));
  const [pinned, setPinned] = useState<string | null>(null);
  const shownId = runId ?? pinned ?? latest.data?.run_id ?? null;
  const run = useQuery({ ...runQuery(shownId ?? ""), enabled: shownId !== null, placeholderData: keepOfProcess(processId) });

  const definition = process.data?.definition ?? null;
  const data = shownId === null ? null : (run.data ?? null);
  const steps = useMemo(() => data?.steps ?? (definition ? plannedChain(definition) : []), [data, definition]);
  const chosen = stepId && steps.some((step) => step.step_id === stepId) ? stepId : openingStep(steps, data);
  const shown: Shown = {
    processId,
    name: data?.process_name ?? process.data?.name ?? processId,
    run: data,
    unread: data ? null : latest.isError || run.isError ? "failed" : latest.isPending || shownId !== null ? "loading" : null,
    definition,
    steps,
    step: steps.find((step) => step.step_id === chosen) ?? null,
  };
  return {
    shown,
    shownId,
    process,
    run,
    latest,
    swapping: run.isPlaceholderData,
    newer: newerRun(latest.data, data),
    /** Holds on to what is shown. */
    pin: () => setPinned((current) => current ?? shownId),
    unpin: () => setPinned(null),
  };
}

/** While another run of the same process loads, the one before stays in place. */
function keepOfProcess(processId: string) {
  return (previous: RunView | undefined) => (previous?.process_id === processId ? previous : undefined);
}

function newerRun(latest: RunSummary | null | undefined, shown: RunView | null): RunSummary | null {
  if (!latest || !shown || latest.run_id === shown.run_id) return null;
  return latest.queued_at > shown.queued_at ? latest : null;
}
