import type { ReactNode } from "react";
import type { Tone } from "@/lib/status";
import { Icon, type IconName } from "./Icon";
import styles from "./Sign.module.css";

const ICON: Partial<Record<Tone, IconName>> = { ok: "check", warn: "bang", overdue: "clock", failed: "cross", error: "question", running: "spin", skipped: "dash" };

/** A word with its colour and icon, for everything that is no run or step. */
export function Sign({ tone, icon, children, title }: { tone: Tone; icon?: IconName; children: ReactNode; title?: string }) {
  return (
    <span className={`${styles.sign} tone-${tone}`} title={title}>
      <span className={styles.dot}>
        <Icon name={icon ?? ICON[tone] ?? "circle"} size={12} />
      </span>
      {children}
    </span>
  );
}

/** A short grey word beside a name. */
export function Tag({ children }: { children: ReactNode }) {
  return <span className={styles.tag}>{children}</span>;
}
