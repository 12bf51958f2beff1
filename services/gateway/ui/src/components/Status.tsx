import clsx from "clsx";
import { type AnyStatus, tone, word } from "@/lib/status";
import { Icon, type IconName } from "./Icon";
import styles from "./Status.module.css";

const ICON: Record<string, IconName> = {
  success: "check",
  warning: "bang",
  not_yet: "clock",
  overdue: "clock",
  stuck: "clock",
  failed: "cross",
  timeout: "hourglass",
  error: "question",
  running: "spin",
  retrying: "retry",
  waiting: "hourglass",
  queued: "circle",
  pending: "circle",
  skipped: "dash",
  cancelled: "ban",
};

type Props = { status: AnyStatus | null | undefined; size?: "s" | "m" | "l" };

/** The round sign of a state. The word stands beside it or is read out by `label`. */
export function StatusIcon({ status, size = "m", label = false }: Props & { label?: boolean }) {
  const name = status ?? "queued";
  const pixels = { s: 12, m: 15, l: 20 }[size];
  return (
    <span className={clsx(styles.icon, styles[size], `tone-${tone(status)}`, styles[tone(status)], status === "running" && styles.spinning)}>
      <Icon name={ICON[name] ?? "circle"} size={pixels} />
      {label && <span className="visually-hidden">{word(status)}</span>}
    </span>
  );
}

/** Sign and word together. */
export function StatusBadge({ status, size = "s" }: Props) {
  return (
    <span className={clsx(styles.badge, `tone-${tone(status)}`)}>
      <StatusIcon status={status} size={size} />
      {word(status)}
    </span>
  );
}
