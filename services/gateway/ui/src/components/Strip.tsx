import clsx from "clsx";
import { memo, useState } from "react";
import type { RunStatus } from "@/api/types";
import { plural } from "@/lib/format";
import { word } from "@/lib/status";
import { frameOf, runAt, STRIP_BOX, STRIP_LENGTH, stripPaths } from "@/lib/strip";
import styles from "./Strip.module.css";

type Props = { recent: readonly string[][]; onPick?: (runId: string) => void; large?: boolean };

/** The last runs, oldest first, as a strip that can be read across the room. A click opens the run. */
export const Strip = memo(function Strip({ recent, onPick, large = false }: Props) {
  const runs = (recent as [string, RunStatus][]).slice(-STRIP_LENGTH);
  const [over, setOver] = useState<number | null>(null);
  const under = ({ currentTarget, clientX }: React.MouseEvent) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    return runAt((clientX - left) / width, runs.length);
  };
  const pointed = over === null ? undefined : runs[over];
  return (
    <div
      className={clsx(styles.strip, large && styles.large, pointed && onPick && styles.pick)}
      role="img"
      aria-label={summary(runs)}
      title={pointed && word(pointed[1])}
      onMouseMove={(event) => setOver(under(event))}
      onMouseLeave={() => setOver(null)}
      onClick={(event) => {
        const run = runs[under(event) ?? -1];
        if (run) onPick?.(run[0]);
      }}
    >
      <svg viewBox={STRIP_BOX} preserveAspectRatio="none" aria-hidden>
        {stripPaths(runs.map(([, status]) => status)).map(({ look, d }) => (
          <path key={look} className={styles[look]} d={d} />
        ))}
        {pointed && onPick && <path className={styles.frame} d={frameOf(over!, runs.length)} />}
      </svg>
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
