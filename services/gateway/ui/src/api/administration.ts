/** Reads and writes of accounts, tokens, the audit log, workers and queues. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { urls } from "@/lib/urls";
import { answer, ApiProblem, client } from "./client";
import type { paths } from "./schema";
import type { TokenWrite, UserWrite } from "./types";

export type AuditFilters = Omit<NonNullable<paths["/api/v1/audit"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 50;
/** Heartbeats and queues are read again this often while they are shown. */
const WATCH_MS = 5000;

export const usersQuery = infiniteQueryOptions({
  queryKey: ["users"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/users", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const tokensQuery = infiniteQueryOptions({
  queryKey: ["tokens"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/tokens", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const auditQuery = (filters: AuditFilters) =>
  infiniteQueryOptions({
    queryKey: ["audit", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/audit", { params: { query: { ...filters, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: () => answer(client.GET("/api/v1/workers")),
  refetchInterval: WATCH_MS,
});

export const queuesQuery = queryOptions({
  queryKey: ["queues"],
  queryFn: () => answer(client.GET("/api/v1/queues")),
  refetchInterval: WATCH_MS,
});

export type Readiness = { status: string; parts: Record<string, string> };

/** Whether this server is able to do its job, and the part that is not. Not being ready is an answer, not an error. */
export const readinessQuery = queryOptions({
  queryKey: ["readiness"],
  refetchInterval: WATCH_MS,
  queryFn: async (): Promise<Readiness> => {
    const response = await fetch(urls.readiness, { headers: { Accept: "application/json" } }).catch(() => {
      throw new ApiProblem(0, "No connection", "The server cannot be reached.");
    });
    return (await response.json()) as Readiness;
  },
});

export function createUser(body: UserWrite) {
  return answer(client.POST("/api/v1/users", { body }));
}

export function saveUser(userId: string, body: UserWrite) {
  return answer(client.PUT("/api/v1/users/{user_id}", { params: { path: { user_id: userId } }, body }));
}

export async function deleteUser(userId: string): Promise<void> {
  await answer(client.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id: userId } } }));
}

export function makeSignInLink(userId: string) {
  return answer(client.POST("/api/v1/users/{user_id}/sign-in-link", { params: { path: { user_id: userId } } }));
}

export function createToken(body: TokenWrite) {
  return answer(client.POST("/api/v1/tokens", { body }));
}

export async function revokeToken(tokenId: string): Promise<void> {
  await answer(client.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: tokenId } } }));
}

export async function changePassword(current_password: string, new_password: string): Promise<void> {
  await answer(client.PUT("/api/v1/me/password", { body: { current_password, new_password } }));
}
