/** Schedules of a process, and what became of their ticks. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { readAgainMs } from "@/lib/schedules";
import { answer, client } from "./client";

const MOST_SCHEDULES = 200;
const TICK_PAGE = 20;
/** What became of ticks is read again this often while it is shown. */
const WATCH_MS = 15_000;

export const schedulesQuery = (processId: string) =>
  queryOptions({
    queryKey: ["schedules", processId],
    queryFn: async () => (await answer(client.GET("/api/v1/schedules", { params: { query: { process_id: processId, limit: MOST_SCHEDULES } } }))).items,
    refetchInterval: ({ state }) => (state.data?.length ? readAgainMs(state.data, Date.now()) : false),
  });

export const ticksQuery = (scheduleId: string) =>
  infiniteQueryOptions({
    queryKey: ["ticks", scheduleId],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => answer(client.GET("/api/v1/schedules/{schedule_id}/ticks", { params: { path: { schedule_id: scheduleId }, query: { limit: TICK_PAGE, cursor: pageParam } } })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: WATCH_MS,
  });

export function pauseSchedule(scheduleId: string) {
  return answer(client.POST("/api/v1/schedules/{schedule_id}/pause", { params: { path: { schedule_id: scheduleId } } }));
}

export function resumeSchedule(scheduleId: string) {
  return answer(client.POST("/api/v1/schedules/{schedule_id}/resume", { params: { path: { schedule_id: scheduleId } } }));
}
