/** Reads and writes of connections. Secrets only ever go out. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Schema } from "@/lib/schema";
import { answer, client } from "./client";
import type { ConnectionWrite } from "./types";

const PAGE = 50;

export const connectionsQuery = infiniteQueryOptions({
  queryKey: ["connections", "list"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/connections", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const connectionQuery = (connectionId: string) =>
  queryOptions({
    queryKey: ["connections", "one", connectionId],
    queryFn: () => answer(client.GET("/api/v1/connections/{connection_id}", { params: { path: { connection_id: connectionId } } })),
  });

export const connectionSchemaQuery = queryOptions({
  queryKey: ["schemas", "connection"],
  queryFn: async () => (await answer(client.GET("/api/v1/schemas/connection"))) as Schema,
  staleTime: Infinity,
});

export function createConnection(body: ConnectionWrite) {
  return answer(client.POST("/api/v1/connections", { body }));
}

/** Saves on top of a version; 412 when somebody else saved in between. */
export function saveConnection(body: ConnectionWrite, version: number) {
  const params = { path: { connection_id: body.connection_id }, header: { "If-Match": `"${version}"` } };
  return answer(client.PUT("/api/v1/connections/{connection_id}", { params, body }));
}

export async function deleteConnection(connectionId: string): Promise<void> {
  await answer(client.DELETE("/api/v1/connections/{connection_id}", { params: { path: { connection_id: connectionId } } }));
}

/** From now on the account may be one that can write. */
export function acceptRights(connectionId: string) {
  return answer(client.POST("/api/v1/connections/{connection_id}/rights/accept", { params: { path: { connection_id: connectionId } } }));
}

export function testConnection(connectionId: string) {
  return answer(client.POST("/api/v1/connections/{connection_id}/test", { params: { path: { connection_id: connectionId } } }));
}
