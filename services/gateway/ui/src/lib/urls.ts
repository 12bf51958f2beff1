/** Every address the pages build by hand. Addresses of typed API calls are in the generated schema. */
const API = "/api/v1";

function queryOf(values: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) query.set(name, value);
  const text = query.toString();
  return text ? `?${text}` : "";
}

export const urls = {
  liveStream: `${API}/events?alive=true`,
  evidence: (runId: string, evidenceId: string) => `${API}/runs/${encodeURIComponent(runId)}/evidence/${encodeURIComponent(evidenceId)}`,
  export: (format: "csv" | "json", filters: Record<string, string | undefined>) => {
    return `${API}/reports/runs.${format}${queryOf(filters)}`;
  },
  bundle: (runId: string) => `${API}/runs/${encodeURIComponent(runId)}/bundle.zip`,
  report: (runId: string) => `${API}/runs/${encodeURIComponent(runId)}/report.pdf`,
  runJson: (runId: string) => `${API}/runs/${encodeURIComponent(runId)}`,
  definitionYaml: (processId: string) => `${API}/processes/${encodeURIComponent(processId)}`,
  /** The lasting address of a run, for sharing. */
  run: (runId: string, selection: Record<string, string | undefined> = {}) => `${location.origin}/runs/${encodeURIComponent(runId)}${queryOf(selection)}`,
  /** A path of this installation as a whole address. */
  here: (path: string) => `${location.origin}${path}`,
  readiness: "/readyz",
  apiDescription: `${API}/openapi.json`,
};
