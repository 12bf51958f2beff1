/** Reads and writes of the editor. Definitions travel as YAML, so that errors name lines and comments are kept. */
import { queryOptions } from "@tanstack/react-query";
import type { Schema } from "@/lib/schema";
import { answer, client } from "./client";
import type { components } from "./schema";
import type { ProcessView } from "./types";

type Schemas = components["schemas"];
export type Plan = Schemas["Plan"];
export type PlanItem = Schemas["PlanItem"];
export type ValidationReport = Schemas["ValidationReport"];
export type TriedStep = Schemas["TriedStep"];

/** YAML goes out letter by letter. */
const YAML = { headers: { "Content-Type": "application/yaml" }, bodySerializer: (body: unknown) => body as string };
const asBody = (text: string) => text as never;
const etag = (revision: number) => `"${revision}"`;

export const processSchemaQuery = queryOptions({
  queryKey: ["schemas", "process"],
  queryFn: async () => (await answer(client.GET("/api/v1/schemas/process"))) as Schema,
  staleTime: Infinity,
});

export type ConnectionName = { id: string; name: string; kind: string };

/** Names of connections for completion and forms; those who may not see connections type them. */
export const connectionNamesQuery = queryOptions({
  queryKey: ["connections", "names"],
  queryFn: async () => (await answer(client.GET("/api/v1/connections", { params: { query: { limit: 200 } } }))).items.map((item): ConnectionName => ({ id: item.connection_id, name: item.name, kind: item.settings.kind })),
  staleTime: 60_000,
});

export function validate(yaml: string, signal: AbortSignal): Promise<ValidationReport> {
  return answer(client.POST("/api/v1/processes/validate", { ...YAML, body: asBody(yaml), signal }));
}

export async function createProcess(yaml: string): Promise<ProcessView> {
  return (await answer(client.POST("/api/v1/processes", { ...YAML, body: asBody(yaml) }))) as ProcessView;
}

/** Saves on top of a revision; 412 when somebody else saved in between. */
export async function saveProcess(processId: string, yaml: string, revision: number): Promise<ProcessView> {
  const params = { path: { process_id: processId }, header: { "If-Match": etag(revision) } };
  return (await answer(client.PUT("/api/v1/processes/{process_id}", { ...YAML, headers: { ...YAML.headers }, params, body: asBody(yaml) }))) as ProcessView;
}

export async function deleteProcess(processId: string, revision: number): Promise<void> {
  await answer(client.DELETE("/api/v1/processes/{process_id}", { params: { path: { process_id: processId }, header: { "If-Match": etag(revision) } } }));
}

export async function restoreRevision(processId: string, revision: number, current: number): Promise<ProcessView> {
  const params = { path: { process_id: processId, n: String(revision) }, header: { "If-Match": etag(current) } };
  return (await answer(client.POST("/api/v1/processes/{process_id}/revisions/{n}/restore", { params }))) as ProcessView;
}

export type Trial = { definition: Record<string, unknown>; step_id: string; inputs: Record<string, unknown>; captures: Record<string, Record<string, unknown>> };

export function tryStep(trial: Trial): Promise<TriedStep> {
  return answer(client.POST("/api/v1/steps/try", { body: trial }));
}

export function planDraft(document: Record<string, unknown>, inputs: Record<string, unknown>): Promise<Plan> {
  return answer(client.POST("/api/v1/processes/plan", { body: { document, inputs } }));
}
