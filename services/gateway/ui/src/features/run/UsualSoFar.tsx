import { About } from "@/components/About";
import { useNow } from "@/lib/clock";
import { formatRough } from "@/lib/format";
import styles from "./StepTimes.module.css";

type Timed = { started_at?: string | null; expected_duration_seconds?: number | null; slow_after_seconds?: number | null };

/** What is usual for something under way: how long it takes, what is left of that, and when it becomes slow. */
export function UsualSoFar({ of, left = false }: { of: Timed; left?: boolean }) {
  const now = useNow();
  const usual = of.expected_duration_seconds;
  if (!usual || !of.started_at) return null;
  const taken = (now - Date.parse(of.started_at)) / 1000;
  if (of.slow_after_seconds != null && taken > of.slow_after_seconds) {
    return (
      <span className={styles.slow} role="status">
        ▲ slower than usual, <About seconds={usual} />
      </span>
    );
  }
  const ahead = usual - taken;
  return (
    <>
      <About seconds={usual} />
      {left && ahead > 1 && `, about ${formatRough(ahead)} left`}
    </>
  );
}
