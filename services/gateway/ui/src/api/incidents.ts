/** Incidents: what is wrong now, and what people do about it. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { IncidentState } from "./types";

const PAGE = 50;
/** Counts of runs and what the newest of them said change without an event of their own. */
const RECHECK_MS = 20_000;

export type IncidentFilters = { state?: IncidentState[]; process_id?: string };
export const NOT_OVER: IncidentState[] = ["open", "acknowledged"];

export const incidentsQuery = (filters: IncidentFilters, limit = PAGE) =>
  infiniteQueryOptions({
    queryKey: ["incidents", filters, limit],
    refetchInterval: RECHECK_MS,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/incidents", { params: { query: { ...filters, limit, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** How many wait for somebody: for the sign beside the name of the place. */
export const incidentCountQuery = queryOptions({
  queryKey: ["incidents", "count"],
  refetchInterval: RECHECK_MS,
  queryFn: async () => {
    const { open, acknowledged } = await answer(client.GET("/api/v1/incidents", { params: { query: { state: ["open"], limit: 1 } } }));
    return { open, acknowledged };
  },
});

export const incidentQuery = (incidentId: string) =>
  queryOptions({
    queryKey: ["incident", incidentId],
    refetchInterval: RECHECK_MS,
    queryFn: () => answer(client.GET("/api/v1/incidents/{incident_id}", { params: { path: { incident_id: incidentId } } })),
  });

export const incidentKeysQuery = (incidentId: string) =>
  infiniteQueryOptions({
    queryKey: ["incident", incidentId, "keys"],
    refetchInterval: RECHECK_MS,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answer(client.GET("/api/v1/incidents/{incident_id}/keys", { params: { path: { incident_id: incidentId }, query: { limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export type Deed = "acknowledge" | "unacknowledge" | "resolve";

export function doToIncident(incidentId: string, deed: Deed, note: string) {
  const how = { params: { path: { incident_id: incidentId } }, body: note.trim() ? { note: note.trim() } : {} };
  if (deed === "acknowledge") return answer(client.POST("/api/v1/incidents/{incident_id}/acknowledge", how));
  if (deed === "unacknowledge") return answer(client.POST("/api/v1/incidents/{incident_id}/unacknowledge", how));
  return answer(client.POST("/api/v1/incidents/{incident_id}/resolve", how));
}
