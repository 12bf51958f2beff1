import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { runQuery } from "@/api/queries";
import { Page } from "@/components/Page";
import { Loading } from "@/components/States";
import { ProcessPage } from "./ProcessPage";
import { RunProblem } from "./RunProblem";
import type { Selection } from "./types";

/** `/processes/…`: the page of a process, on its latest run or the one in the address. */
export function ProcessRoute() {
  const { processId } = useParams({ from: "/inside/processes/$processId" });
  const search = useSearch({ from: "/inside/processes/$processId" });
  const navigate = useNavigate();
  return (
    <ProcessPage
      key={processId}
      processId={processId}
      runId={search.run}
      selection={search}
      onSelect={(selection: Selection) =>
        void navigate({ to: "/processes/$processId", params: { processId }, search: (now) => ({ ...now, ...selection }), replace: true, resetScroll: false })
      }
      onOpenRun={(run, keep) =>
        void navigate({
          to: "/processes/$processId",
          params: { processId },
          search: (now) => ({ run, ...(keep ? { step: now.step, tab: now.tab } : {}) }),
          resetScroll: false,
        })
      }
      onFollow={() => void navigate({ to: "/processes/$processId", params: { processId }, search: {}, resetScroll: false })}
    />
  );
}

/** `/runs/…`: the same page bound to one run, for links that last. */
export function RunRoute() {
  const { runId } = useParams({ from: "/inside/runs/$runId" });
  const search = useSearch({ from: "/inside/runs/$runId" });
  const navigate = useNavigate();
  const run = useQuery({ ...runQuery(runId), placeholderData: (previous) => previous });
  if (!run.data) {
    return (
      <Page title="Run" heading>
        {run.isError ? <RunProblem error={run.error} onRetry={() => void run.refetch()} /> : <Loading rows={9} label="Loading the run" />}
      </Page>
    );
  }
  return (
    <ProcessPage
      key={run.data.process_id}
      processId={run.data.process_id}
      runId={runId}
      selection={search}
      onSelect={(selection: Selection) => void navigate({ to: "/runs/$runId", params: { runId }, search: (now) => ({ ...now, ...selection }), replace: true, resetScroll: false })}
      onOpenRun={(other, keep) =>
        void navigate({ to: "/runs/$runId", params: { runId: other }, search: (now) => (keep ? { step: now.step, tab: now.tab } : {}), resetScroll: false })
      }
      onFollow={(latest) => void navigate({ to: "/runs/$runId", params: { runId: latest }, search: {}, resetScroll: false })}
    />
  );
}
