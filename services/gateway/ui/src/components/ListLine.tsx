import clsx from "clsx";
import type { ReactNode } from "react";
import type { AnyStatus } from "@/lib/status";
import styles from "./ListLine.module.css";
import { StatusIcon } from "./Status";

/** For the link that the whole line leads to; other links in it stand `above`. */
export const lineClass = { title: styles.title, above: styles.above, says: styles.says };

type Props = { status: AnyStatus; aside: ReactNode; asideClass?: string; when: ReactNode; className?: string; children: ReactNode };

/** A line of a list that leads somewhere: the sign of a state, what it says, who has to do with it, and when. */
export function ListLine({ status, aside, asideClass, when, className, children }: Props) {
  return (
    <li className={clsx(styles.line, className)}>
      <StatusIcon status={status} label />
      <div>{children}</div>
      <div className={clsx(styles.aside, asideClass)}>{aside}</div>
      <div className={styles.when}>{when}</div>
    </li>
  );
}
