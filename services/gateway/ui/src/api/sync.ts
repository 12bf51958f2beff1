/** Puts live events into what the pages hold: at once what an event tells, a read soon after for the rest. */
import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import { isOpenRun } from "@/lib/status";
import { applyToGrid, applyToRow, applyToRun, applyToSummary } from "@/lib/events";
import type { LiveMessage } from "./live";
import { GRID_COLUMNS } from "./queries";
import type { GridColumn, ProcessRow, RunEvent, RunSummary, RunView } from "./types";

type Pages<T> = InfiniteData<{ items: T[]; next_cursor?: string | null }>;

/** A read after this much quiet; a busy run is read at least every LONGEST_MS. */
const RUN_QUIET_MS = 250;
const LIST_QUIET_MS = 2000;
const LONGEST_FACTOR = 4;
const FROM_HISTORY = ["overview", "processes", "runs", "grid", "incidents", "incident"];

/** Runs a refresh after a quiet time, but not later than a few of them after the first call. */
export class Settler {
  readonly #waiting = new Map<string, { timer: ReturnType<typeof setTimeout>; since: number }>();

  later(name: string, quietMs: number, action: () => void): void {
    const known = this.#waiting.get(name);
    if (known) clearTimeout(known.timer);
    const since = known?.since ?? Date.now();
    const left = Math.max(0, since + quietMs * LONGEST_FACTOR - Date.now());
    const timer = setTimeout(
      () => {
        this.#waiting.delete(name);
        action();
      },
      Math.min(quietMs, left),
    );
    this.#waiting.set(name, { timer, since });
  }
}

export function syncWith(queries: QueryClient): (message: LiveMessage) => void {
  const settler = new Settler();
  const refresh = (key: readonly unknown[], quietMs: number) =>
    settler.later(JSON.stringify(key), quietMs, () => void readAgain(queries, key));
  return (message) => {
    if (message.kind === "reset") return void queries.invalidateQueries();
    if (message.kind === "opened") {
      void queries.invalidateQueries({ queryKey: ["latest-run"] });
      void queries.invalidateQueries({ predicate: ({ state }) => isOpenRun((state.data as RunView | undefined)?.status) });
      // What the history serves follows the events a moment later: a list that was read just before the stream began
      // may lack a run that ended just before, and nothing would tell of it again.
      for (const key of FROM_HISTORY) refresh([key], LIST_QUIET_MS);
      return;
    }
    if (message.kind === "process") {
      refresh(["process", message.event.process_id], RUN_QUIET_MS);
      refresh(["overview"], LIST_QUIET_MS);
      refresh(["processes"], LIST_QUIET_MS);
      refresh(["facets"], LIST_QUIET_MS);
      return;
    }
    if (message.kind === "incident") {
      refresh(["incidents"], RUN_QUIET_MS);
      refresh(["incident", message.event.incident_id], RUN_QUIET_MS);
      refresh(["overview"], LIST_QUIET_MS);
      refresh(["processes"], LIST_QUIET_MS);
      return;
    }
    patch(queries, message.event);
    refresh(["run", message.event.run_id], RUN_QUIET_MS);
    if (!message.event.type.startsWith("run.")) return;
    refresh(["latest-run", message.event.process_id], RUN_QUIET_MS);
    // The run that this one continues says so from now on.
    if (message.event.from_run) refresh(["run", message.event.from_run], RUN_QUIET_MS);
    refresh(["grid", message.event.process_id], LIST_QUIET_MS);
    // The keys of a board say how their last run ended.
    refresh(["board", message.event.process_id, "keys"], LIST_QUIET_MS);
    refresh(["overview"], LIST_QUIET_MS * pagesOf(queries, "overview"));
    refresh(["processes"], LIST_QUIET_MS * pagesOf(queries, "processes"));
    refresh(["runs"], LIST_QUIET_MS);
  };
}

/** A first read that is under way is not begun anew: what it brings may be from before the event, so it is read once more. */
async function readAgain(queries: QueryClient, key: readonly unknown[]): Promise<void> {
  const first = queries.getQueryCache().findAll({ queryKey: key }).some(({ state }) => state.data === undefined && state.fetchStatus === "fetching");
  await queries.invalidateQueries({ queryKey: key });
  if (first) await queries.invalidateQueries({ queryKey: key });
}

/** How many pages of a list are held: the more there are, the more seldom all of them are read again. */
function pagesOf(queries: QueryClient, resource: string): number {
  const held = queries.getQueriesData<{ pages?: unknown[] }>({ queryKey: [resource] });
  return Math.max(1, ...held.map(([, data]) => data?.pages?.length ?? 0));
}

function patch(queries: QueryClient, event: RunEvent): void {
  queries.setQueryData<RunView>(["run", event.run_id], (run) => run && applyToRun(run, event));
  queries.setQueryData<GridColumn[]>(["grid", event.process_id], (columns) => columns && applyToGrid(columns, event, GRID_COLUMNS));
  if (!event.type.startsWith("run.")) return;
  for (const resource of ["overview", "processes"]) {
    queries.setQueriesData<Pages<ProcessRow>>({ queryKey: [resource] }, (data) => data && mapItems(data, (row) => applyToRow(row, event)));
  }
  queries.setQueriesData<Pages<RunSummary>>({ queryKey: ["runs"] }, (data) => data && mapItems(data, (run) => applyToSummary(run, event)));
}

function mapItems<T>(data: Pages<T>, change: (item: T) => T): Pages<T> {
  let changed = false;
  const pages = data.pages.map((page) => {
    const items = page.items.map((item) => {
      const next = change(item);
      changed ||= next !== item;
      return next;
    });
    return { ...page, items };
  });
  return changed ? { ...data, pages } : data;
}
