/** Every address the pages build by hand. Addresses of typed API calls are in the generated schema. */
const API = "/api/v1";

export const urls = {
  liveStream: `${API}/events`,
  evidence: (runId: string, evidenceId: string) => `${API}/runs/${encodeURIComponent(runId)}/evidence/${encodeURIComponent(evidenceId)}`,
  export: (format: "csv" | "json", filters: Record<string, string | undefined>) => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
    const text = query.toString();
    return `${API}/reports/runs.${format}${text ? `?${text}` : ""}`;
  },
  definitionYaml: (processId: string) => `${API}/processes/${encodeURIComponent(processId)}`,
  /** The lasting address of a run, for sharing. */
  run: (runId: string) => `${location.origin}/runs/${encodeURIComponent(runId)}`,
  apiDescription: `${API}/openapi.json`,
};
