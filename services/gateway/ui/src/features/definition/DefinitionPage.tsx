import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { processQuery, revisionQuery } from "@/api/queries";
import { useMay } from "@/api/useMe";
import type { ProcessView, RevisionView } from "@/api/types";
import { Button, buttonClass } from "@/components/Button";
import { YamlBlock } from "@/components/CodeBlock";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Card, Page } from "@/components/Page";
import { Banner, Loading, Problem } from "@/components/States";
import { Tabs } from "@/components/Tabs";
import { plural } from "@/lib/format";
import styles from "./DefinitionPage.module.css";
import { ProcessFacts } from "./ProcessFacts";
import { Revisions } from "./Revisions";
import { StepDetails } from "./StepDetails";

/** What a process is made of, to be read: its steps in words, its YAML, its revisions. */
export function DefinitionPage() {
  const { processId } = useParams({ from: "/inside/processes/$processId/definition" });
  const { rev } = useSearch({ from: "/inside/processes/$processId/definition" });
  const [tab, setTab] = useState("steps");
  const mayWrite = useMay("processes.write");
  const process = useQuery(processQuery(processId));
  const old = rev !== undefined && process.data !== undefined && rev !== process.data.revision;
  const revision = useQuery({ ...revisionQuery(processId, rev ?? 0), enabled: old });
  const failure = process.error ?? (old ? revision.error : null);
  const shown: ProcessView | RevisionView | undefined = old ? revision.data : process.data;
  if (failure || !shown || !process.data) {
    return (
      <Page title="Definition" heading>
        {failure ? <Problem error={failure} onRetry={() => void Promise.all([process.refetch(), old && revision.refetch()])} /> : <Loading rows={9} label="Loading the definition" />}
      </Page>
    );
  }
  const { definition } = shown;
  return (
    <Page title={`Definition of ${definition.name}`}>
      <CrumbTrail>
        <Link to="/processes">Processes</Link>
        <Link to="/processes/$processId" params={{ processId }}>
          {process.data.name}
        </Link>
        <span>Definition</span>
      </CrumbTrail>
      <header className={styles.head}>
        <div>
          <h1>{definition.name}</h1>
          <p>{definition.description ?? `${plural(definition.steps.length, "step")}, checked one after the other.`}</p>
        </div>
        <div className={styles.buttons}>
          {mayWrite && (
            <Link to="/processes/$processId/edit" params={{ processId }} className={buttonClass()}>
              Edit
            </Link>
          )}
          <Link to="/processes/$processId" params={{ processId }} className={buttonClass()}>
            Back to its runs
          </Link>
        </div>
      </header>
      {old && (
        <div className={styles.old}>
          <Banner tone="running" icon="clock">
            You are reading revision {rev}. The current one is{" "}
            <Link to="/processes/$processId/definition" params={{ processId }} search={{}}>
              revision {process.data.revision}
            </Link>
            .
          </Banner>
        </div>
      )}
      <ProcessFacts definition={definition} process={process.data} />
      <Card aria-label="Definition">
        <Tabs
          label="Definition"
          value={tab}
          onChange={setTab}
          tabs={[
            { id: "steps", label: `Steps`, content: <StepDetails definition={definition} /> },
            { id: "yaml", label: "YAML", content: <Yaml text={shown.source_yaml} /> },
            { id: "revisions", label: "Revisions", content: <Revisions processId={processId} current={process.data.revision} shown={rev ?? process.data.revision} /> },
          ]}
        />
      </Card>
    </Page>
  );
}

function Yaml({ text }: { text: string }) {
  const [copied, setCopied] = useState<"no" | "yes" | "refused">("no");
  const copy = () =>
    navigator.clipboard
      ? void navigator.clipboard.writeText(text).then(
          () => setCopied("yes"),
          () => setCopied("refused"),
        )
      : setCopied("refused");
  return (
    <div className={styles.yaml}>
      <Button onClick={copy}>
        <span aria-live="polite">{{ no: "Copy", yes: "Copied", refused: "Mark the text to copy it" }[copied]}</span>
      </Button>
      <YamlBlock text={text} label="Definition as YAML" />
    </div>
  );
}
