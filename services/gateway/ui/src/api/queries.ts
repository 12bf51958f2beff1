/** Reads: one entry per resource, with its key. Keys begin with the resource, so that events can find them. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { urls } from "@/lib/urls";
import { ApiProblem, answer, client, problemOf } from "./client";
import type { paths } from "./schema";
import type { Evidence, ProcessView, RunEvent } from "./types";

export type ProcessFilters = Omit<NonNullable<paths["/api/v1/processes"]["get"]["parameters"]["query"]>, "limit" | "cursor">;
export type RunFilters = Omit<NonNullable<paths["/api/v1/runs"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const PROCESS_PAGE = 50;
export const OVERVIEW_PAGE = 100;
export const RUN_PAGE = 50;
export const GRID_COLUMNS = 50;
const EVENT_PAGE = 200;
/** Lists follow events; read again this often for each page held, they are right even if an event came before what it tells of. */
const RECHECK_MS = 20_000;

const recheck = ({ state }: { state: { data?: { pages: readonly unknown[] } } }) => RECHECK_MS * Math.max(1, state.data?.pages.length ?? 1);

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => answer(client.GET("/api/v1/me")),
  staleTime: Infinity,
  retry: (count, error) => !(error instanceof ApiProblem && error.status === 401) && count < 3,
});

export const aboutQuery = queryOptions({
  queryKey: ["about"],
  queryFn: () => answer(client.GET("/api/v1/about")),
  staleTime: Infinity,
});

export const processesQuery = (filters: ProcessFilters, limit = PROCESS_PAGE) =>
  infiniteQueryOptions({
    queryKey: ["processes", filters, limit],
    refetchInterval: recheck,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/processes", { params: { query: { ...filters, limit, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** The active processes, those that need a person first; the order is the server's. */
export const overviewQuery = infiniteQueryOptions({
  queryKey: ["overview"],
  refetchInterval: recheck,
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/overview", { params: { query: { limit: OVERVIEW_PAGE, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const facetsQuery = queryOptions({
  queryKey: ["facets"],
  queryFn: () => answer(client.GET("/api/v1/facets")),
  staleTime: 60_000,
});

export const processQuery = (processId: string) =>
  queryOptions({
    queryKey: ["process", processId],
    // The same address also answers in YAML; without asking for it the answer is JSON.
    queryFn: async () => (await answer(client.GET("/api/v1/processes/{process_id}", { params: { path: { process_id: processId } } }))) as ProcessView,
    staleTime: 60_000,
  });

export const revisionsQuery = (processId: string) =>
  infiniteQueryOptions({
    queryKey: ["process", processId, "revisions"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answer(client.GET("/api/v1/processes/{process_id}/revisions", { params: { path: { process_id: processId }, query: { cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const revisionQuery = (processId: string, revision: number) =>
  queryOptions({
    queryKey: ["process", processId, "revisions", revision],
    queryFn: () => answer(client.GET("/api/v1/processes/{process_id}/revisions/{n}", { params: { path: { process_id: processId, n: String(revision) } } })),
    staleTime: Infinity,
  });

export const runsQuery = (filters: RunFilters, limit = RUN_PAGE) =>
  infiniteQueryOptions({
    queryKey: ["runs", filters, limit],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/runs", { params: { query: { ...filters, limit, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const latestRunQuery = (processId: string) =>
  queryOptions({
    queryKey: ["latest-run", processId],
    queryFn: async () => {
      const page = await answer(client.GET("/api/v1/runs", { params: { query: { process_id: processId, limit: 1 } } }));
      return page.items[0] ?? null;
    },
  });

export const runQuery = (runId: string) =>
  queryOptions({
    queryKey: ["run", runId],
    queryFn: () => answer(client.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } })),
  });

/** The whole event log of a run, page by page: it is bounded by steps and attempts. */
export const runEventsQuery = (runId: string) =>
  queryOptions({
    queryKey: ["run", runId, "events"],
    queryFn: async () => {
      const events: RunEvent[] = [];
      for (;;) {
        const after: number = events.at(-1)?.seq ?? 0;
        const page: { items: RunEvent[]; next_cursor?: string | null } = await answer(
          client.GET("/api/v1/runs/{run_id}/events", { params: { path: { run_id: runId }, query: { after, limit: EVENT_PAGE } } }),
        );
        events.push(...page.items);
        if (page.items.length === 0 || !page.next_cursor) return events;
      }
    },
  });

export const diffQuery = (runId: string) =>
  queryOptions({
    queryKey: ["run", runId, "diff"],
    queryFn: () => answer(client.GET("/api/v1/runs/{run_id}/diff", { params: { path: { run_id: runId }, query: { against: "last_success" } } })),
  });

export const gridQuery = (processId: string) =>
  queryOptions({
    queryKey: ["grid", processId],
    /** Oldest first, as the grid is read. */
    queryFn: async () => {
      const columns = await answer(
        client.GET("/api/v1/metrics/processes/{process_id}/grid", { params: { path: { process_id: processId }, query: { limit: GRID_COLUMNS } } }),
      );
      return columns.sort((a, b) => (a.queued_at < b.queued_at ? -1 : 1));
    },
  });

const SHOWN_IMAGES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** Whether evidence is a picture that may be drawn: only bitmaps, nothing that can hold a script. */
export function isPicture(evidence: Evidence): boolean {
  return SHOWN_IMAGES.includes(pictureType(evidence));
}

const pictureType = (evidence: Evidence): string => evidence.media_type.split(";")[0]!.trim().toLowerCase();

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error ?? new Error("the picture could not be read"));
    reader.readAsDataURL(blob);
  });
}

/** A picture as an address of its bytes, whose type is the allow-listed one, whatever the answer called itself. */
export const pictureQuery = (runId: string, evidence: Evidence) =>
  queryOptions({
    queryKey: ["evidence", runId, evidence.evidence_id],
    staleTime: Infinity,
    queryFn: async () => {
      const response = await fetch(urls.evidence(runId, evidence.evidence_id), { credentials: "same-origin" });
      if (!response.ok) throw problemOf(response, await response.json().catch(() => null));
      return dataUrl(new Blob([await response.arrayBuffer()], { type: pictureType(evidence) }));
    },
  });

/** More text than this is not put on the page at once; the file itself can be opened. */
const SHOWN_TEXT_BYTES = 300_000;

/** One piece of evidence as text. Bytes that are no text are not decoded: null. */
export const evidenceQuery = (runId: string, evidence: Evidence) =>
  queryOptions({
    queryKey: ["evidence", runId, evidence.evidence_id],
    staleTime: Infinity,
    queryFn: async () => {
      const response = await fetch(urls.evidence(runId, evidence.evidence_id), { credentials: "same-origin" });
      if (!response.ok) throw problemOf(response, await response.json().catch(() => null));
      if (/^(image|audio|video|font)\//.test(evidence.media_type)) return null;
      const text = await response.text();
      return text.length > SHOWN_TEXT_BYTES ? `${text.slice(0, SHOWN_TEXT_BYTES)}\n…` : text;
    },
  });
