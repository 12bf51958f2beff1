import clsx from "clsx";
import { Icon } from "@/components/Icon";
import { StatusIcon } from "@/components/Status";
import { formatDuration, plural } from "@/lib/format";
import type { Fold } from "@/lib/fold";
import { tone, word } from "@/lib/status";
import styles from "./Trail.module.css";

/** Neighbours of a long chain of which nothing is to be said one by one, as one line that opens. */
export function FoldedSteps({ fold, onUnfold }: { fold: Fold; onUnfold: () => void }) {
  const { first, last, steps, status, seconds } = fold;
  const state = tone(status);
  const said = status === "success" ? "passed" : word(status);
  return (
    <li className={clsx(styles.item, styles[state], `tone-${state}`)}>
      <button type="button" className={clsx(styles.step, styles.folded)} aria-expanded={false} data-fold={`${first.number}-${last.number}`} onClick={onUnfold}>
        <StatusIcon status={status} />
        <span className={styles.body}>
          <span className={styles.title}>
            <b>
              {first.number}–{last.number}
            </b>{" "}
            {plural(steps.length, "step")} {said} <Icon name="down" size={12} />
          </span>
        </span>
        <span className={styles.sum}>{first.reason ?? (seconds > 0 ? formatDuration(seconds) : "")}</span>
      </button>
    </li>
  );
}
