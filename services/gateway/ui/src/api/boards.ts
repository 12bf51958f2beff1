/** The stuck board of a process: the funnel, and the keys at each step. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";

const PAGE = 100;
/** No event tells that somebody took a board: one that is looked at is read again so often, and says how old it is. */
const AGAIN_MS = 10_000;

export const boardQuery = (processId: string) =>
  queryOptions({
    queryKey: ["board", processId],
    queryFn: () => answer(client.GET("/api/v1/processes/{process_id}/stuck-board", { params: { path: { process_id: processId } } })),
    refetchInterval: AGAIN_MS,
  });

export type KeyFilters = { step_id?: string; finished?: boolean; q?: string };

export const boardKeysQuery = (processId: string, filters: KeyFilters) =>
  infiniteQueryOptions({
    queryKey: ["board", processId, "keys", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answer(client.GET("/api/v1/processes/{process_id}/stuck-board/keys", { params: { path: { process_id: processId }, query: { ...filters, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Asks the open keys and every step's set anew. */
export function takeBoard(processId: string) {
  return answer(client.POST("/api/v1/processes/{process_id}/stuck-board", { params: { path: { process_id: processId } } }));
}
