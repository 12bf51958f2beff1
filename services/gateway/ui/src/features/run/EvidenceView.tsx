import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { evidenceQuery, isPicture } from "@/api/queries";
import type { Evidence } from "@/api/types";
import { TextBlock } from "@/components/CodeBlock";
import { DataTable } from "@/components/DataTable";
import { Problem } from "@/components/States";
import { formatBytes } from "@/lib/format";
import { urls } from "@/lib/urls";
import { asTable } from "@/lib/value";
import styles from "./EvidenceView.module.css";
import { Picture } from "./Picture";

/** One piece of evidence: rows and listings as a table, everything else as plain text. */
export function EvidenceView({ runId, evidence }: { runId: string; evidence: Evidence }) {
  return (
    <div className={styles.piece}>
      <header>
        <h3>{evidence.title}</h3>
        <span title={`SHA-256 ${evidence.sha256}`}>
          {evidence.media_type.split(";")[0]} · {formatBytes(evidence.size_bytes)}
          {evidence.truncated && " · cut"}
        </span>
        <a href={urls.evidence(runId, evidence.evidence_id)} download={`${evidence.evidence_id}${extension(evidence.media_type)}`}>
          Download
        </a>
      </header>
      {isPicture(evidence) ? <Picture runId={runId} evidence={evidence} /> : evidence.kind === "recording" ? <Folded runId={runId} evidence={evidence} /> : <Text runId={runId} evidence={evidence} />}
    </div>
  );
}

/** Recordings are long and rarely read here: they are fetched when somebody unfolds them. */
function Folded({ runId, evidence }: { runId: string; evidence: Evidence }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className={styles.note}>Show it here</summary>
      {open && <Text runId={runId} evidence={evidence} />}
    </details>
  );
}

function Text({ runId, evidence }: { runId: string; evidence: Evidence }) {
  const body = useQuery(evidenceQuery(runId, evidence));
  if (body.isPending) return <p className={styles.note}>Reading…</p>;
  if (body.isError) return <Problem compact error={body.error} onRetry={() => void body.refetch()} />;
  return <Body text={body.data} evidence={evidence} />;
}

function Body({ text, evidence }: { text: string | null; evidence: Evidence }) {
  if (text === null) return <p className={styles.note}>These bytes are no text. Download them to look at them.</p>;
  if (text === "") return <p className={styles.note}>Empty.</p>;
  const json = /json/.test(evidence.media_type) ? parse(text) : undefined;
  const tabular = evidence.kind === "rows" || evidence.kind === "listing";
  const table = tabular && json !== undefined ? asTable(json) : null;
  if (table) return <DataTable table={table} caption={evidence.title} />;
  return <TextBlock text={json === undefined ? text : JSON.stringify(json, null, 2)} label={evidence.title} />;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function extension(mediaType: string): string {
  if (/json/.test(mediaType)) return ".json";
  const picture = /^image\/(png|jpeg|webp|gif)/.exec(mediaType)?.[1];
  if (picture) return `.${picture}`;
  if (/html|xml/.test(mediaType)) return ".txt";
  return mediaType.startsWith("text/") ? ".txt" : "";
}
