import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { runEventsQuery } from "@/api/queries";
import { runAt } from "@/lib/replay";
import { isOpenRun } from "@/lib/status";
import type { Shown } from "./types";

/** What is shown, as it stood after event `at` when a replay is on, and the moment of that event. */
export function useReplay(shown: Shown, at: number | undefined): { shown: Shown; moment: number | null } {
  const wanted = at !== undefined && shown.run !== null && !isOpenRun(shown.run.status);
  const events = useQuery({ ...runEventsQuery(shown.run?.run_id ?? ""), enabled: wanted }).data;
  return useMemo(() => {
    if (!wanted || !events || !shown.run || at >= events.length) return { shown, moment: null };
    const run = runAt(shown.run, events, at);
    const step = run.steps.find((one) => one.step_id === shown.step?.step_id) ?? shown.step;
    return { shown: { ...shown, run, steps: run.steps, step }, moment: Date.parse(events[at - 1]!.at) };
  }, [wanted, events, shown, at]);
}
