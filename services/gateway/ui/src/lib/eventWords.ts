/** One line of the log in words. */
import type { RunEvent } from "@/api/types";
import { formatDuration } from "./format";
import { failureWord, word, type AnyStatus } from "./status";

export function eventWords(event: RunEvent): string {
  const step = event.step_number ? `${event.step_number} ${event.step_name ?? event.step_id ?? ""}` : "";
  const failure = [failureWord(event.failure_class), event.message ?? event.reason].filter(Boolean).join(": ");
  switch (event.type) {
    case "run.queued":
      return `${event.initiated_by ? `asked for by ${event.initiated_by}` : "asked for"}${event.key ? `, key ${event.key}` : ""}`;
    case "run.started":
      return "started";
    case "run.finished":
      return [word(event.status as AnyStatus), event.verdict].filter(Boolean).join(": ");
    case "step.started":
      // Looks for a state that may come later are as many as fit their time.
      return event.waiting_until ? `${step}, look ${event.attempt ?? 1}` : `${step}, attempt ${event.attempt ?? 1} of ${event.of_attempts ?? 1}`;
    case "step.retrying":
      return `${step}: tries again${failure ? ` (${failure})` : ""}`;
    case "step.waiting":
      return `${step}: not there yet, looks again`;
    case "step.finished":
      return `${step}: ${word(event.status as AnyStatus)}${event.duration_seconds != null ? ` in ${formatDuration(event.duration_seconds)}` : ""}${failure ? ` (${failure})` : ""}`;
  }
}
