import type { ReactNode } from "react";
import styles from "./SubNav.module.css";

/** For its links: only the view itself is the current one, whatever it is filtered by. */
export const HERE = { exact: true, includeSearch: false } as const;

/** Views of one place, as links side by side; the one that is open carries `aria-current`. */
export function SubNav({ label, children }: { label: string; children: ReactNode }) {
  return (
    <nav className={styles.nav} aria-label={label}>
      {children}
    </nav>
  );
}
