/** Reads and writes of notifications: where they go, what is told, and what became of each message. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { paths } from "./schema";
import type { ChannelWrite, RuleWrite } from "./types";

export type DeliveryFilters = Omit<NonNullable<paths["/api/v1/deliveries"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 50;
/** Rules and the log name channels: as many as one page of the API holds are read at once. */
const CHANNELS = 200;
/** The log is read again this often while it is shown, and sooner while a message is under way. */
const QUIET_MS = 10_000;
const PENDING_MS = 1500;

export const channelsQuery = infiniteQueryOptions({
  queryKey: ["channels"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/channels", { params: { query: { limit: CHANNELS, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const rulesQuery = infiniteQueryOptions({
  queryKey: ["rules"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => answer(client.GET("/api/v1/rules", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const deliveriesQuery = (filters: DeliveryFilters) =>
  infiniteQueryOptions({
    queryKey: ["deliveries", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/deliveries", { params: { query: { ...filters, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.items.some((item) => item.status === "pending")) ? PENDING_MS : QUIET_MS),
  });

export function createChannel(body: ChannelWrite) {
  return answer(client.POST("/api/v1/channels", { body }));
}

export function saveChannel(body: ChannelWrite) {
  return answer(client.PUT("/api/v1/channels/{channel_id}", { params: { path: { channel_id: body.channel_id } }, body }));
}

export async function deleteChannel(channelId: string): Promise<void> {
  await answer(client.DELETE("/api/v1/channels/{channel_id}", { params: { path: { channel_id: channelId } } }));
}

/** Puts a test message on its way; the log tells what became of it. */
export function testChannel(channelId: string) {
  return answer(client.POST("/api/v1/channels/{channel_id}/test", { params: { path: { channel_id: channelId } } }));
}

export function createRule(body: RuleWrite) {
  return answer(client.POST("/api/v1/rules", { body }));
}

export function saveRule(body: RuleWrite) {
  return answer(client.PUT("/api/v1/rules/{rule_id}", { params: { path: { rule_id: body.rule_id } }, body }));
}

export async function deleteRule(ruleId: string): Promise<void> {
  await answer(client.DELETE("/api/v1/rules/{rule_id}", { params: { path: { rule_id: ruleId } } }));
}

export function retryDelivery(deliveryId: string) {
  return answer(client.POST("/api/v1/deliveries/{delivery_id}/retry", { params: { path: { delivery_id: deliveryId } } }));
}
