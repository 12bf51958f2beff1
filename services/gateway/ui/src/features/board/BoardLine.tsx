import { Link } from "@tanstack/react-router";
import clsx from "clsx";
import type { BoardStep, ProcessRow, StuckBoard } from "@/api/types";
import { Ago, Elapsed } from "@/components/Time";
import { boardSentence, oldestWaiting, waitingKeys } from "@/lib/board";
import { useNow } from "@/lib/clock";
import { plural } from "@/lib/format";
import styles from "./Boards.module.css";

type Props = { row: Pick<ProcessRow, "process_id" | "name" | "category" | "active">; board: StuckBoard | undefined; error: Error | null };

/** A board in one line: the sentence, the funnel in small, and how old the oldest waiting key is. */
export function BoardLine({ row, board, error }: Props) {
  const oldest = board && oldestWaiting(board.steps ?? []);
  return (
    <li className={styles.line} data-board={row.process_id}>
      <div className={styles.who}>
        <Link to="/processes/$processId/stuck-board" params={{ processId: row.process_id }} className={styles.name}>
          {row.name}
        </Link>
        <p className={styles.says}>{error ? error.message : board ? <Says board={board} /> : "Reading…"}</p>
      </div>
      {board?.state === "ready" && <SmallFunnel board={board} />}
      <div className={styles.age}>
        {oldest && (
          <p className={styles.oldest}>
            oldest <Elapsed since={oldest.oldest_since!} />
          </p>
        )}
        {board?.taken_at && (
          <p>
            taken <Ago at={board.taken_at} />
          </p>
        )}
      </div>
    </li>
  );
}

function Says({ board }: { board: StuckBoard }) {
  const { lead, emphasis, tail } = boardSentence(board, useNow());
  if (board.state === "never_taken") return <>Not taken yet: open it to ask which keys are open.</>;
  return (
    <>
      {lead}
      {emphasis && <b>{emphasis}</b>}
      {tail}
      {board.failed_at && <span className={styles.failed}> Taking it anew failed.</span>}
    </>
  );
}

function wordsOf({ number, name, waiting }: BoardStep): string {
  return `${number} ${name}: ${waiting ? plural(waiting, "key waits", "keys wait") : "no key waits"}`;
}

/** One column per counted step, as tall as the number of keys that wait at it; a click opens those keys. */
function SmallFunnel({ board }: { board: StuckBoard }) {
  const steps = (board.steps ?? []).filter((step) => step.counted);
  const most = Math.max(1, ...steps.map((step) => step.waiting ?? 0));
  return (
    <ol className={styles.funnel} aria-label={`${plural(waitingKeys(board), "key waits", "keys wait")} in ${board.process_name}`}>
      {steps.map((step) => (
        <li key={step.step_id}>
          <Link
            to="/processes/$processId/stuck-board"
            params={{ processId: board.process_id }}
            search={{ step: step.step_id }}
            className={clsx(styles.step, Boolean(step.waiting) && styles.stuck)}
            title={wordsOf(step)}
          >
            <span className={styles.count} aria-hidden="true">
              {step.waiting ? step.waiting.toLocaleString("en") : ""}
            </span>
            <i style={{ height: `${step.waiting ? Math.max(12, (step.waiting / most) * 100) : 4}%` }} />
            <span className={styles.number} aria-hidden="true">
              {step.number}
            </span>
            <span className="visually-hidden">{wordsOf(step)}</span>
          </Link>
        </li>
      ))}
    </ol>
  );
}
