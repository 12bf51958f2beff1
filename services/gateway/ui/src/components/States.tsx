import type { ReactNode } from "react";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";
import styles from "./States.module.css";

type Failure = { message: string; title?: string; errorId?: string | null };

/** What went wrong and what to do, with a way to try again. */
export function Problem({ error, onRetry, compact = false }: { error: Failure; onRetry?: () => void; compact?: boolean }) {
  return (
    <div className={compact ? styles.compact : styles.block} role="alert">
      <span className={styles.badSign}>
        <Icon name="bang" size={compact ? 14 : 20} />
      </span>
      <div className={styles.words}>
        {!compact && <h2>{error.title && error.title !== "Error" ? error.title : "This could not be read"}</h2>}
        <p>{error.message}</p>
        {error.errorId && <p className={styles.small}>Quote {error.errorId} when you report it.</p>}
      </div>
      {onRetry && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

/** Nothing to show, and what to do about it. */
export function Empty({ icon = "circle", title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <div className={styles.block}>
      <span className={styles.sign}>
        <Icon name={icon} size={20} />
      </span>
      <div className={styles.words}>
        <h2>{title}</h2>
        {children && <div className={styles.text}>{children}</div>}
      </div>
    </div>
  );
}

/** Grey shapes where rows will be. */
export function Loading({ rows = 6, label = "Loading" }: { rows?: number; label?: string }) {
  return (
    <div className={styles.loading} role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className={styles.row}>
          <i className={styles.dot} />
          <i className={styles.bar} />
          <i className={styles.short} />
        </div>
      ))}
    </div>
  );
}

/** A quiet line across the page that says what is not as usual. */
export function Banner({ tone = "overdue", icon = "bang", children }: { tone?: "overdue" | "running" | "failed"; icon?: IconName; children: ReactNode }) {
  return (
    <div className={`${styles.banner} tone-${tone}`} role="status">
      <Icon name={icon} size={15} />
      <div>{children}</div>
    </div>
  );
}
