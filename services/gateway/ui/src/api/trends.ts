/** Figures of a process over a period, and day by day. */
import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";

/** Figures move slowly; they are read again this often while they are shown. */
const FRESH_MS = 60_000;

export const figuresQuery = (processId: string, since: string) =>
  queryOptions({
    queryKey: ["figures", processId, since],
    queryFn: () => answer(client.GET("/api/v1/metrics/processes/{process_id}", { params: { path: { process_id: processId }, query: { since } } })),
    refetchInterval: FRESH_MS,
  });

export const trendQuery = (processId: string, stepId: string | undefined, since: string) =>
  queryOptions({
    queryKey: ["trend", processId, stepId ?? null, since],
    queryFn: () => answer(client.GET("/api/v1/metrics/processes/{process_id}/trend", { params: { path: { process_id: processId }, query: { step_id: stepId, since } } })),
    refetchInterval: FRESH_MS,
  });
