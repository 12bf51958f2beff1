import { useNow } from "@/lib/clock";
import { StatusIcon } from "./Status";
import styles from "./Underway.module.css";

/** Runs of a process that are under way, and whether one of them takes longer than usual. */
export function Underway({ running, slowAt }: { running: number; slowAt: string | null | undefined }) {
  return (
    <span className={styles.underway}>
      <StatusIcon status="running" size="s" /> {running} running
      {slowAt && <Slow at={slowAt} />}
    </span>
  );
}

/** Appears at its moment: nothing is read again for it. */
function Slow({ at }: { at: string }) {
  const late = useNow() > Date.parse(at);
  return late && <span className={styles.slow}>▲ slower than usual</span>;
}
