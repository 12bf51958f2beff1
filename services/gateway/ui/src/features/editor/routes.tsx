import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { processSchemaQuery } from "@/api/editing";
import { processQuery } from "@/api/queries";
import { useMay } from "@/api/useMe";
import { buttonClass } from "@/components/Button";
import { Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { duplicateOf } from "@/lib/newProcess";
import { type Beginning, EditorPage } from "./EditorPage";
import { StartPage } from "./StartPage";

/** `/processes/new`: from a template, an import, or a copy (`?from=`). */
export function NewRoute() {
  const { from } = useSearch({ from: "/inside/processes/new" });
  return <NewProcess key={from ?? ""} from={from} />;
}

function NewProcess({ from }: { from: string | undefined }) {
  const navigate = useNavigate();
  const may = useMay("processes.write");
  const schema = useQuery(processSchemaQuery);
  const copied = useQuery({ ...processQuery(from ?? ""), enabled: from !== undefined });
  const [chosen, setChosen] = useState<Beginning | null>(null);
  const beginning = chosen ?? (from && copied.data ? { yaml: duplicateOf(copied.data.source_yaml) } : null);
  if (!may) return <Refused title="New process" />;
  const failure = schema.error ?? (from ? copied.error : null);
  if (failure) return <Fault title="New process" error={failure} onRetry={() => void Promise.all([schema.refetch(), from && copied.refetch()])} />;
  if (!beginning && !from) return <StartPage onBegin={setChosen} />;
  if (!beginning || !schema.data) return <Waiting title="New process" />;
  return (
    <EditorPage
      schema={schema.data}
      beginning={beginning}
      process={null}
      onCreated={(created) => void navigate({ to: "/processes/$processId/edit", params: { processId: created.process_id }, replace: true, ignoreBlocker: true })}
    />
  );
}

/** `/processes/…/edit`. */
export function EditRoute() {
  const { processId } = useParams({ from: "/inside/processes/$processId/edit" });
  const may = useMay("processes.write");
  const schema = useQuery(processSchemaQuery);
  const process = useQuery(processQuery(processId));
  if (!may) return <Refused title="Edit" processId={processId} />;
  const failure = process.data ? schema.error : (process.error ?? schema.error);
  if (failure) return <Fault title="Edit" error={failure} onRetry={() => void Promise.all([schema.refetch(), process.refetch()])} />;
  if (!process.data || !schema.data) return <Waiting title="Edit" />;
  return <EditorPage key={processId} schema={schema.data} beginning={{ yaml: process.data.source_yaml }} process={process.data} onCreated={() => undefined} />;
}

function Waiting({ title }: { title: string }) {
  return (
    <Page title={title} heading>
      <Loading rows={9} label="Loading the editor" />
    </Page>
  );
}

function Fault({ title, error, onRetry }: { title: string; error: Error; onRetry: () => void }) {
  return (
    <Page title={title} heading>
      <Problem error={error} onRetry={onRetry} />
    </Page>
  );
}

function Refused({ title, processId }: { title: string; processId?: string }) {
  return (
    <Page title={title} heading>
      <Empty icon="lock" title="Your role may look, but not edit">
        <p>An editor or an administrator can change processes.</p>
        {processId ? (
          <Link to="/processes/$processId/definition" params={{ processId }} className={buttonClass()}>
            Read the definition
          </Link>
        ) : (
          <Link to="/processes" className={buttonClass()}>
            Go to the processes
          </Link>
        )}
      </Empty>
    </Page>
  );
}
