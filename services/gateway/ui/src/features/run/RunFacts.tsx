import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { About } from "@/components/About";
import { Ago, Elapsed } from "@/components/Time";
import { triggerWords } from "@/components/Trigger";
import { heldUp, isQuick, tookLong } from "@/lib/chain";
import { formatDuration, plural, readDuration } from "@/lib/format";
import { isOpenRun, isTrouble } from "@/lib/status";
import styles from "./RunFacts.module.css";
import type { Shown } from "./types";
import { UsualSoFar } from "./UsualSoFar";

/** Who, when, how long, and against what: one line under the verdict. */
export function RunFacts({ shown }: { shown: Shown }) {
  return (
    <dl className={styles.facts}>
      {(shown.run ? runFacts(shown) : plannedFacts(shown)).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

type Fact = [name: string, value: ReactNode];

function plannedFacts({ definition, steps }: Shown): Fact[] {
  const facts: Fact[] = [["Steps", plural(steps.length, "step")]];
  if (definition?.owner) facts.push(["Owner", definition.owner]);
  if (definition?.timeout) facts.push(["Ends after", readDuration(definition.timeout) ?? definition.timeout]);
  return facts;
}

function runFacts(shown: Shown): Fact[] {
  const run = shown.run!;
  return [ownerFact(shown), ...timeFacts(shown), ...linkFacts(shown)].filter((fact): fact is Fact => fact !== null).concat([definitionFact(run)]);
}

function ownerFact({ run, steps }: Shown): Fact | null {
  const step = steps.find((one) => one.step_id === run?.verdict.step_id) ?? steps.find((one) => isTrouble(one.status));
  if (step?.owner && isTrouble(step.status)) return [`Owner of step ${step.number}`, step.owner];
  return run?.process_owner ? ["Owner", run.process_owner] : null;
}

function timeFacts({ run }: Shown): Fact[] {
  if (!run) return [];
  const by = <span title={triggerWords(run.trigger)}>{run.initiated_by}</span>;
  const usual = run.expected_duration_seconds ? <span className={styles.usual} title="What is usual"> <About seconds={run.expected_duration_seconds} /></span> : null;
  if (isOpenRun(run.status)) {
    return [
      ["Started", <>{<Ago at={run.queued_at} />} by {by}</>],
      ["Steps", `${run.steps_done} of ${run.steps_planned}`],
      ["Elapsed", <><Elapsed since={run.started_at ?? run.queued_at} /> <span className={styles.usual}><UsualSoFar of={run} left={!run.steps.some(heldUp)} /></span></>],
    ];
  }
  return [
    ["Checked", <>{<Ago at={run.ended_at ?? run.queued_at} />} by {by}</>],
    ["Took", <>{formatDuration(run.duration_seconds)}{usual}{run.status === "success" && tookLong(run.duration_seconds, run) && <span className={styles.slow}> ▲ slower than usual</span>}{run.status === "success" && isQuick(run.duration_seconds, run.expected_duration_seconds) && <span className={styles.usual}> ▼ quicker than usual</span>}</>],
  ];
}

function linkFacts({ run }: Shown): Fact[] {
  if (!run) return [];
  const facts: Fact[] = [];
  if (run.status !== "success" && !isOpenRun(run.status)) {
    facts.push([lastGoodWords(run), run.last_good_run ? <RunLink id={run.last_good_run}>show</RunLink> : "never"]);
  }
  if (run.from_run) facts.push([`Continues${run.from_step ? ` from ${run.from_step}` : ""}`, <RunLink key="from" id={run.from_run}>the run before</RunLink>]);
  const again = run.rechecked_by?.at(-1);
  if (again) facts.push(["Continued by", <RunLink key="again" id={again}>a later run</RunLink>]);
  return facts;
}

/** Which good run is meant: one of the same key when there is one, else the last of the process. */
function lastGoodWords({ last_good_of, key }: NonNullable<Shown["run"]>): string {
  if (last_good_of === "key") return `Last good run of ${key}`;
  return key && last_good_of ? "Last good run, of another key" : "Last good run";
}

function definitionFact(run: NonNullable<Shown["run"]>): Fact {
  return [
    "Definition",
    <Link key="rev" to="/processes/$processId/definition" params={{ processId: run.process_id }} search={{ rev: run.revision }}>
      rev {run.revision}
    </Link>,
  ];
}

function RunLink({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Link to="/runs/$runId" params={{ runId: id }} search={{}}>
      {children}
    </Link>
  );
}
