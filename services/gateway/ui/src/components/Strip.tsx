import clsx from "clsx";
import { memo } from "react";
import type { RunStatus } from "@/api/types";
import { plural } from "@/lib/format";
import { tone, word } from "@/lib/status";
import styles from "./Strip.module.css";

const LENGTH = 30;

type Props = { recent: readonly string[][]; onPick?: (runId: string) => void; large?: boolean };

/** The last runs, oldest first, as a strip that can be read across the room. A click opens the run. */
export const Strip = memo(function Strip({ recent, onPick, large = false }: Props) {
  const runs = (recent as [string, RunStatus][]).slice(-LENGTH);
  return (
    <div
      className={clsx(styles.strip, large && styles.large)}
      role="img"
      aria-label={summary(runs)}
      onClick={(event) => {
        const run = (event.target as HTMLElement).dataset.run;
        if (run) onPick?.(run);
      }}
    >
      {Array.from({ length: LENGTH - runs.length }, (_, index) => (
        <i key={index} className={styles.none} />
      ))}
      {runs.map(([id, status]) => (
        <i key={id} data-run={id} title={word(status)} className={clsx(styles[tone(status)], onPick && styles.pick)} />
      ))}
    </div>
  );
});

function summary(runs: readonly [string, RunStatus][]): string {
  if (runs.length === 0) return "No runs yet";
  const counts = new Map<string, number>();
  for (const [, status] of runs) counts.set(word(status), (counts.get(word(status)) ?? 0) + 1);
  const parts = [...counts].map(([name, count]) => `${count} ${name}`);
  return `Last ${plural(runs.length, "run")}: ${parts.join(", ")}`;
}
