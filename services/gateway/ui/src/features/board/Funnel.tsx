import clsx from "clsx";
import type { BoardStep, StuckBoard } from "@/api/types";
import { Elapsed } from "@/components/Time";
import { shares } from "@/lib/board";
import { plural } from "@/lib/format";
import type { BoardSearch } from "@/lib/search";
import styles from "./Board.module.css";

type Props = { board: StuckBoard; search: BoardSearch; onChange: (next: BoardSearch) => void };

/** Every step with how many keys wait at it, and since when the oldest does. A step chooses the keys beside it. */
export function Funnel({ board, search, onChange }: Props) {
  return (
    <ol className={styles.funnel}>
      {(board.steps ?? []).map((step) =>
        step.counted ? (
          <li key={step.step_id}>
            <button
              type="button"
              className={clsx(styles.step, Boolean(step.waiting) && styles.stuck)}
              aria-pressed={search.step === step.step_id}
              data-board-step={step.step_id}
              onClick={() => onChange(search.step === step.step_id ? {} : { step: step.step_id })}
            >
              <StepLine step={step} openKeys={board.open_keys ?? 0} />
            </button>
          </li>
        ) : (
          <li key={step.step_id} className={styles.uncounted}>
            <span className={styles.number}>{step.number}</span>
            <span>{step.name}</span>
            <small title="The step has no `set` query, so it places no keys">not counted</small>
          </li>
        ),
      )}
      <li>
        <button type="button" className={styles.step} aria-pressed={search.finished === 1} onClick={() => onChange(search.finished ? {} : { finished: 1 })}>
          <span className={styles.number}>✓</span>
          <span className={styles.name}>Passed every counted step</span>
          <span className={styles.count}>{(board.finished ?? 0).toLocaleString("en")}</span>
        </button>
      </li>
    </ol>
  );
}

function StepLine({ step, openKeys }: { step: BoardStep; openKeys: number }) {
  const { passed, waiting } = shares(step, openKeys);
  return (
    <>
      <span className={styles.number}>{step.number}</span>
      <span className={styles.name}>
        {step.name}
        {step.owner && <small>{step.owner}</small>}
      </span>
      <span className={styles.count}>
        {step.waiting ? plural(step.waiting, "waits", "wait") : "none"}
        {step.waiting && step.oldest_since ? (
          <small>
            oldest <Elapsed since={step.oldest_since} />
          </small>
        ) : (
          <small>{(step.passed ?? 0).toLocaleString("en")} passed</small>
        )}
      </span>
      <span className={styles.bar} aria-hidden="true">
        <i className={styles.passed} style={{ width: `${passed}%` }} />
        <i className={styles.waiting} style={{ width: `${waiting}%` }} />
      </span>
    </>
  );
}
