import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "@/api/useMe";
import { CrumbTrail } from "@/components/CrumbTrail";
import { VerdictText } from "@/components/VerdictText";
import { Countdown } from "@/components/Time";
import { isOpenRun } from "@/lib/status";
import { RunActions } from "./RunActions";
import { RunFacts } from "./RunFacts";
import styles from "./RunHeader.module.css";
import type { Shown } from "./types";

type Props = {
  shown: Shown;
  /** The same as it is now, also while a replay shows it as it was: what can be done is done to this. */
  current: Shown;
  canCheck: boolean;
  mayStart: boolean;
  inactive: boolean;
  onCheck: () => void;
  onStarted: (runId: string) => void;
};

export function RunHeader({ shown, current, canCheck, mayStart, inactive, onCheck, onStarted }: Props) {
  const { run, name } = shown;
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <header>
      <Crumbs shown={shown} />
      <div className={styles.head}>
        <div className={styles.words}>
          <h1>
            <b>{name}</b>
            {run?.key && <KeyOf shown={shown} />}
          </h1>
          <p className={styles.verdict} data-testid="verdict" data-status={run?.status ?? "none"}>
            {run ? <LiveVerdict shown={shown} /> : firstSentence(shown)}
          </p>
          <RunFacts shown={shown} />
          {problem && (
            <p className={styles.problem} role="alert">
              {problem}
            </p>
          )}
        </div>
        <RunActions shown={current} canCheck={canCheck} mayStart={mayStart} inactive={inactive} onCheck={onCheck} onStarted={onStarted} onProblem={setProblem} />
      </div>
    </header>
  );
}

/** The key with what it is: `order number 4711`. */
function KeyOf({ shown }: { shown: Shown }) {
  const { definition, run } = shown;
  const input = definition ? (definition.key ?? Object.keys(definition.inputs ?? {})[0]) : undefined;
  const label = input ? (definition?.inputs?.[input]?.label ?? null) : null;
  return (
    <span>
      {" · "}
      {label && `${label.charAt(0).toLowerCase()}${label.slice(1)} `}
      {run?.key}
    </span>
  );
}

function firstSentence({ steps, definition, unread }: Shown): string {
  if (unread === "failed") return "Its last run cannot be read now.";
  if (unread === "loading") return "Reading its last run…";
  if (definition && definition.active === false) return "This process is not active.";
  return `Not checked yet. ${steps.length === 1 ? "One step is" : `${steps.length} steps are`} planned.`;
}

/** A run under way counts down itself; the server's sentence was true only when it was read. */
function LiveVerdict({ shown }: { shown: Shown }) {
  const run = shown.run!;
  // A replay that stands before the end has no verdict of its own yet.
  if (!isOpenRun(run.status)) return <VerdictText verdict={run.verdict} status={run.status} />;
  const current = run.steps.find((step) => ["running", "retrying", "waiting"].includes(step.status));
  if (!current) return <>{run.status === "queued" ? "Waiting to start…" : run.verdict.text || "Between two steps…"}</>;
  return (
    <>
      Checking {current.number} of {run.steps.length} <span className={styles.now}>“{current.name}”</span>
      {current.reason === "no_worker" ? (
        <span className={styles.loud}>: {current.message ?? `no worker listens for ${current.check_type}`} yet.</span>
      ) : current.reason === "waits_turn" || current.reason === "waits_target" ? (
        <>: {current.message ?? "waits for its turn"}.</>
      ) : current.status === "retrying" && current.next_attempt_at ? (
        <>
          : next attempt in <Countdown to={current.next_attempt_at} />
        </>
      ) : current.status === "waiting" && current.waiting_until ? (
        <>
          : not there yet, looking for another <Countdown to={current.waiting_until} />
        </>
      ) : (
        "…"
      )}
    </>
  );
}

function Crumbs({ shown }: { shown: Shown }) {
  const { definition, processId, name } = shown;
  const mayWrite = useMay("processes.write");
  return (
    <div className={styles.top}>
      <CrumbTrail>
        <Link to="/processes">Processes</Link>
        {definition?.category && (
          <Link to="/processes" search={{ category: definition.category }}>
            {definition.category}
          </Link>
        )}
        <Link to="/processes/$processId" params={{ processId }} search={{}}>
          {name}
        </Link>
      </CrumbTrail>
      <nav className={styles.side} aria-label="More about this process">
        {definition?.population && (
          <Link to="/processes/$processId/stuck-board" params={{ processId }}>
            Stuck board
          </Link>
        )}
        <Link to="/processes/$processId/definition" params={{ processId }}>
          Definition
        </Link>
        {mayWrite && (
          <>
            <Link to="/processes/$processId/edit" params={{ processId }}>
              Edit
            </Link>
            <Link to="/processes/new" search={{ from: processId }}>
              Duplicate
            </Link>
          </>
        )}
        <Link to="/history" search={{ process_id: processId }}>
          All runs
        </Link>
        <Link to="/history/trends" search={{ process_id: processId }}>
          Trends
        </Link>
      </nav>
    </div>
  );
}
