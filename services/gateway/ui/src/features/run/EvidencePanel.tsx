import { Link } from "@tanstack/react-router";
import { isPicture } from "@/api/queries";
import type { Evidence, StepView } from "@/api/types";
import { Card } from "@/components/Page";
import { Tabs } from "@/components/Tabs";
import { StatusBadge } from "@/components/Status";
import { checkConnection, keptFrom } from "@/lib/chain";
import { plural } from "@/lib/format";
import { kindWord } from "@/lib/status";
import { DataTab } from "./DataTab";
import styles from "./EvidencePanel.module.css";
import { EvidenceView } from "./EvidenceView";
import { ExpectedTab } from "./ExpectedTab";
import { FirstAidTab } from "./FirstAidTab";
import { LastGoodTab } from "./LastGoodTab";
import { LogTab } from "./LogTab";
import { PlannedStep } from "./PlannedStep";
import { RequestTab } from "./RequestTab";
import type { Shown } from "./types";

type Props = { shown: Shown; step: StepView; tab: string | undefined; onTab: (tab: string) => void };

/** Everything known about the chosen step, beside the chain and never over it. */
export function EvidencePanel({ shown, step, tab, onTab }: Props) {
  const planned = shown.definition?.steps.find((one) => one.id === step.step_id);
  const connection = checkConnection(planned?.check);
  const kept = keptFrom(shown.run, step);
  return (
    <Card aria-label={`Step ${step.number}: ${step.name}`}>
      <header className={styles.head}>
        <h2>
          {step.number} · {step.name}
        </h2>
        {shown.run && <StatusBadge status={step.status} />}
        <p>
          {kindWord(step.check_type)}
          {connection && ` · ${connection}`}
          {step.target && (
            <>
              {" · "}
              <code>{withoutConnection(step.target, connection)}</code>
            </>
          )}
          {attemptsPhrase(step)}
        </p>
        {step.description && <p>{step.description}</p>}
        {kept && (
          <p className={styles.kept}>
            Kept from{" "}
            <Link to="/runs/$runId" params={{ runId: kept }} search={{ step: step.step_id, tab }}>
              the run before
            </Link>
            : this run began at a later step and did not look again.
          </p>
        )}
      </header>
      {shown.run ? <RunTabs shown={shown} step={step} tab={tab} onTab={onTab} /> : <PlannedStep step={step} planned={planned} defaults={shown.definition?.defaults} />}
    </Card>
  );
}

function RunTabs({ shown, step, tab, onTab }: Props) {
  const run = shown.run!;
  const pictures = (step.evidence ?? []).filter(isPicture);
  const tabs = [
    { id: "expected", label: "Expected / Actual", content: <ExpectedTab step={step} /> },
    { id: "data", label: "Data", content: <DataTab runId={run.run_id} step={step} /> },
    { id: "request", label: "Request", content: <RequestTab runId={run.run_id} step={step} /> },
    ...(pictures.length > 0 ? [{ id: "screenshot", label: "Screenshot", content: <Pictures runId={run.run_id} pictures={pictures} /> }] : []),
    { id: "good", label: "Last good", content: <LastGoodTab run={run} step={step} /> },
    { id: "log", label: "Log", content: <LogTab run={run} step={step} /> },
    { id: "aid", label: "First aid", content: <FirstAidTab step={step} /> },
  ];
  return <Tabs label="Evidence" tabs={tabs} value={tabs.some(({ id }) => id === tab) ? tab! : "expected"} onChange={onTab} />;
}

function Pictures({ runId, pictures }: { runId: string; pictures: readonly Evidence[] }) {
  return (
    <div className={styles.stack}>
      {pictures.map((picture) => (
        <EvidenceView key={picture.evidence_id} runId={runId} evidence={picture} />
      ))}
    </div>
  );
}

function withoutConnection(target: string, connection: string | null): string {
  const start = `${connection} · `;
  return connection && target.startsWith(start) ? target.slice(start.length) : target;
}

function attemptsPhrase(step: StepView): string {
  const attempt = step.attempt ?? 0;
  if (attempt < 2) return "";
  return step.waiting_until ? ` · ${plural(attempt, "look")}` : ` · ${plural(attempt, "attempt")}`;
}
