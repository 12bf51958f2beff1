/** Cron expressions in words. Loaded when the first one is shown: see `components/CronWords`. */
import { toString } from "cronstrue";

/** `At 06:00, Monday through Friday`; null for what is no expression of five fields. */
export function cronWords(cron: string): string | null {
  if (cron.trim().split(/\s+/).length !== 5) return null;
  try {
    return toString(cron, { use24HourTimeFormat: true });
  } catch {
    return null;
  }
}
