import clsx from "clsx";
import styles from "./RunGrid.module.css";

const MEANINGS = [
  ["ok", "success"],
  ["slow", "slower than usual"],
  ["warn", "warning"],
  ["notyet", "not yet"],
  ["overdue", "overdue"],
  ["failed", "failed"],
  ["error", "we could not check"],
  ["skipped", "skipped"],
  ["running", "running"],
] as const;
const KEPT = ["kept", "kept from the run before"] as const;

/** What the colours of the grid mean. */
export function GridLegend({ kept }: { kept: boolean }) {
  return (
    <ul className={styles.legend} aria-label="Legend">
      {[...MEANINGS, ...(kept ? [KEPT] : [])].map(([name, words]) => (
        <li key={name}>
          <i className={clsx(styles.cell, name === "kept" ? [styles.ok, styles.kept] : styles[name])} />
          {words}
        </li>
      ))}
    </ul>
  );
}
