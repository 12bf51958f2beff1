import { useState } from "react";
import { useMay } from "@/api/useMe";
import { Page } from "@/components/Page";
import { Loading, Problem } from "@/components/States";
import { ReplayedMoment } from "@/lib/clock";
import { neighbourInTrouble } from "@/lib/chain";
import { useShortcut } from "@/lib/shortcuts";
import { CheckDialog } from "./CheckDialog";
import { EvidencePanel } from "./EvidencePanel";
import { IncidentNotice } from "./IncidentNotice";
import { NewerRun } from "./NewerRun";
import { Progress } from "./Progress";
import styles from "./ProcessPage.module.css";
import { RunGrid } from "./RunGrid";
import { RunHeader } from "./RunHeader";
import { Schedules } from "./Schedules";
import { Timeline } from "./Timeline";
import { Trail } from "./Trail";
import type { Selection } from "./types";
import { useReplay } from "./useReplay";
import { useShown } from "./useShown";

type Props = {
  processId: string;
  runId: string | undefined;
  selection: Selection;
  onSelect: (selection: Selection) => void;
  /** Shows another run in place; `keep` keeps the chosen step and tab. */
  onOpenRun: (runId: string, keep: boolean) => void;
  onFollow: (latestRunId: string) => void;
};

/** The page that joins everything: verdict, chain, evidence, and the runs before. */
export function ProcessPage({ processId, runId, selection, onSelect, onOpenRun, onFollow }: Props) {
  const { shown: current, shownId, process, run, latest, newer, swapping, pin, unpin } = useShown({ processId, runId, stepId: selection.step });
  const { shown, moment } = useReplay(current, selection.at);
  const [checking, setChecking] = useState(false);
  const mayStart = useMay("runs.start");
  const inactive = process.data?.definition.active === false;
  const canCheck = mayStart && shown.definition !== null && !inactive;
  const jump = (direction: 1 | -1) => {
    const next = neighbourInTrouble(shown.steps, shown.step?.step_id ?? null, direction);
    if (next) {
      pin();
      onSelect({ step: next });
    }
  };
  useShortcut("c", canCheck ? () => setChecking(true) : undefined);
  useShortcut("n", () => jump(1));
  useShortcut("p", () => jump(-1));

  if (shown.steps.length === 0) {
    const failure = run.error ?? process.error;
    return (
      <Page title="Process" heading>
        {failure ? <Problem error={failure} onRetry={() => void Promise.all([process.refetch(), run.refetch()])} /> : <Loading rows={9} label="Loading the process" />}
      </Page>
    );
  }
  const select = (step: string) => {
    pin();
    onSelect({ step });
  };
  const openRun = (id: string, keep = false) => {
    unpin();
    onOpenRun(id, keep);
  };
  return (
    <Page title={titleOf(shown.name, shown.run?.key)} className={styles.page}>
      <ReplayedMoment value={moment}>
      <RunHeader shown={shown} current={current} canCheck={canCheck} mayStart={mayStart} inactive={inactive} onCheck={() => setChecking(true)} onStarted={openRun} />
      <IncidentNotice processId={shown.processId} />
      {newer && (
        <NewerRun
          run={newer}
          onShow={() => {
            unpin();
            onFollow(newer.run_id);
          }}
        />
      )}
      {process.isError && !process.data && <Problem compact error={{ message: `The definition could not be read: ${process.error.message}` }} onRetry={() => void process.refetch()} />}
      {run.isError && <Problem compact error={run.error} onRetry={() => void run.refetch()} />}
      <Progress steps={shown.steps} />
      <div className={styles.two} aria-busy={swapping || undefined} onPointerDown={pin} onKeyDown={pin}>
        <Trail steps={shown.steps} definition={shown.definition} run={shown.run} selected={shown.step?.step_id ?? null} onSelect={select} />
        {shown.step && (
          <EvidencePanel shown={shown} step={shown.step} tab={selection.tab} onTab={(tab) => onSelect({ step: shown.step?.step_id, tab })} />
        )}
      </div>
      </ReplayedMoment>
      {current.run && (
        <Timeline
          run={current.run}
          open={selection.time === 1}
          at={selection.at ?? null}
          onOpen={(open) => onSelect({ time: open ? 1 : undefined, at: undefined })}
          onAt={(at) => {
            pin();
            onSelect({ at: at ?? undefined });
          }}
          onSelect={select}
        />
      )}
      <RunGrid processId={processId} steps={shown.steps} shownRun={shownId} onOpen={(id) => openRun(id, true)} waitingFirst={latest.data === null} inactive={inactive} />
      <Schedules processId={processId} definition={process.data?.definition ?? null} />
      {checking && process.data && (
        <CheckDialog
          process={process.data}
          onClose={() => setChecking(false)}
          onStarted={(id) => {
            setChecking(false);
            openRun(id);
          }}
        />
      )}
      <Announcer text={current.run?.verdict.text ?? ""} name={shown.name} />
    </Page>
  );
}

function titleOf(name: string, key: string | null | undefined): string {
  return key ? `${name} · ${key}` : name;
}

/** Tells a changed verdict to those who listen instead of look; what was there from the start is not repeated. */
function Announcer({ text, name }: { text: string; name: string }) {
  return (
    <div className="visually-hidden" aria-live="polite">
      {text && `${name}: ${text}`}
    </div>
  );
}
