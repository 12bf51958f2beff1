/** What came back from a tried step, in parts that can be shown and clicked. */
import type { TriedAnswer } from "@/api/types";
import { httpAnswer, jsonOf } from "./answer";
import { elementsOf, type PageElement, type Pick } from "./pick";
import { asTable, type Table } from "./value";

export type Part =
  | { kind: "facts"; title: string; facts: { name: string; pick: Pick }[] }
  | { kind: "json"; title: string; value: unknown }
  | { kind: "table"; title: string; table: Table }
  | { kind: "elements"; title: string; elements: PageElement[] }
  | { kind: "text"; title: string; text: string };

/** What findings are called, and what assertions call it. */
const SUBJECT_OF: Record<string, string> = { "HTTP status": "status", Rows: "rows", Files: "count" };

/** The parts of an answer, what can be clicked first. `subjects` is what the kind of check can assert. */
export function partsOf(answer: TriedAnswer, subjects: readonly string[]): Part[] {
  const parts: Part[] = [];
  const facts = (answer.findings ?? []).flatMap(({ label, value }) => {
    const subject = SUBJECT_OF[label];
    return subject && subjects.includes(subject) ? [{ name: label, pick: { kind: "fact" as const, subject, value } }] : [];
  });
  const total = answer.timings?.total;
  if (total !== undefined && subjects.includes("elapsed")) facts.push({ name: "Time taken", pick: { kind: "fact", subject: "elapsed", value: total } });
  const contents = (answer.evidence ?? []).map((piece) => ({ piece, text: answer.contents?.[piece.evidence_id] })).filter(({ text }) => text !== undefined) as { piece: NonNullable<TriedAnswer["evidence"]>[number]; text: string }[];
  for (const { piece, text } of contents) {
    if (piece.kind === "response") parts.push(...responseParts(text));
    else if (piece.kind === "page") parts.push({ kind: "elements", title: "On the page", elements: elementsOf(text) });
    else if (piece.kind === "request") parts.push({ kind: "text", title: "Request", text });
    else parts.push(...dataParts(piece.title, text));
  }
  const order = ["json", "table", "elements", "facts", "text"];
  const all: Part[] = facts.length ? [{ kind: "facts", title: "Facts", facts }, ...parts] : parts;
  return all.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function responseParts(text: string): Part[] {
  const { headers, body } = httpAnswer(text);
  const parts: Part[] = [];
  const json = jsonOf(body);
  if (json !== undefined) parts.push({ kind: "json", title: "Body", value: json });
  else if (/^\s*<(!doctype|html)/i.test(body)) parts.push({ kind: "elements", title: "On the page", elements: elementsOf(body) });
  else if (body.trim()) parts.push({ kind: "text", title: "Body", text: body });
  if (headers.length) parts.push({ kind: "facts", title: "Headers", facts: headers.map(([name, value]) => ({ name, pick: { kind: "header", name, value } })) });
  return parts;
}

function dataParts(title: string, text: string): Part[] {
  const json = jsonOf(text);
  const table = json === undefined ? null : asTable(json);
  if (table && table.columns.length > 0) return [{ kind: "table", title, table }];
  return json === undefined ? [{ kind: "text", title, text }] : [{ kind: "json", title, value: json }];
}
