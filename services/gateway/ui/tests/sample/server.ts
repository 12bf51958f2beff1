/** Answers the API from the sample data, and lets a started run walk, so that pages can be looked at without a server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RunEvent, RunView, StepView } from "@/api/types";
import { plannedChain } from "@/lib/chain";
import { definition, grid, process as sample, rows, stuckRun, summaries } from "./data";

const runs = new Map<string, RunView>([["run-49", stuckRun]]);
const logs = new Map<string, RunEvent[]>();
const streams = new Set<ServerResponse>();
let signedIn = process.env.SAMPLE_SIGNED_OUT !== "1";
let latest: RunView | null = stuckRun;

const BODIES: Record<string, unknown> = {
  "rows-1": { columns: ["invoice_no", "status", "iban"], rows: [["R-20931", "BOOKED", "•••"]] },
  "list-1": Array.from({ length: 7 }, (_, index) => ({ path: `invoices/R-209${30 - index}.xml`, size_bytes: 4100 - index * 37, modified_at: `2026-03-02T15:2${index}:10Z` })),
};

function send(response: ServerResponse, status: number, body?: unknown): void {
  response.statusCode = status;
  response.setHeader("Content-Type", status >= 400 ? "application/problem+json" : "application/json");
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

const problem = (status: number, title: string, detail: string, errors?: unknown) => ({ type: "about:blank", title, status, detail, errors });

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}

function emit(run: RunView, event: Partial<RunEvent>): void {
  run.last_seq += 1;
  const whole = { run_id: run.run_id, process_id: run.process_id, seq: run.last_seq, at: new Date().toISOString(), key: run.key, process_name: run.process_name, ...event } as RunEvent;
  logs.set(run.run_id, [...(logs.get(run.run_id) ?? []), whole]);
  for (const stream of streams) stream.write(`id: ${Date.now()}\nevent: ${whole.type}\ndata: ${JSON.stringify(whole)}\n\n`);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function walk(run: RunView): Promise<void> {
  run.status = "running";
  run.started_at = new Date().toISOString();
  emit(run, { type: "run.started", status: "running", started_at: run.started_at });
  for (const [index, step] of (run.steps as StepView[]).entries()) {
    Object.assign(step, { status: "running", attempt: 1, started_at: new Date().toISOString() });
    emit(run, { type: "step.started", status: "running", step_id: step.step_id, step_number: step.number, step_name: step.name, attempt: 1, of_attempts: 3 });
    await pause(900);
    if (index === 2) {
      Object.assign(step, { status: "retrying", failure_class: "timeout", next_attempt_at: new Date(Date.now() + 4000).toISOString() });
      emit(run, { type: "step.retrying", status: "retrying", step_id: step.step_id, step_number: step.number, step_name: step.name, attempt: 1, failure_class: "timeout", next_attempt_at: step.next_attempt_at });
      await pause(4000);
    }
    if (index === 4) {
      Object.assign(step, { status: "waiting", waiting_until: new Date(Date.now() + 6000).toISOString(), next_attempt_at: new Date(Date.now() + 3000).toISOString() });
      emit(run, { type: "step.waiting", status: "waiting", step_id: step.step_id, step_number: step.number, step_name: step.name, waiting_until: step.waiting_until, next_attempt_at: step.next_attempt_at });
      await pause(6000);
    }
    if (run.status !== "running") return;
    Object.assign(step, { status: "success", duration_seconds: 0.9, failure_class: null, ended_at: new Date().toISOString(), attempt: index === 2 ? 2 : 1 });
    run.steps_done = index + 1;
    emit(run, { type: "step.finished", status: "success", step_id: step.step_id, step_number: step.number, step_name: step.name, duration_seconds: 0.9 });
  }
  const text = "All 7 steps passed in 16 s.";
  Object.assign(run, { status: "success", ended_at: new Date().toISOString(), duration_seconds: 16, verdict: { text, lead: text, emphasis: null, tail: "", step_id: null } });
  emit(run, { type: "run.finished", status: "success", verdict: text, duration_seconds: 16 });
}

function start(key: string): RunView {
  const run = {
    ...stuckRun,
    run_id: `run-${50 + runs.size}`,
    status: "queued",
    key,
    queued_at: new Date().toISOString(),
    started_at: null,
    ended_at: null,
    duration_seconds: null,
    steps_done: 0,
    last_seq: 0,
    verdict: { text: "Waiting to start.", lead: "Waiting to start", emphasis: null, tail: ".", step_id: null },
    steps: plannedChain(definition),
  } as unknown as RunView;
  runs.set(run.run_id, run);
  latest = run;
  emit(run, { type: "run.queued", status: "queued", trigger: "manual", initiated_by: "olga", queued_at: run.queued_at });
  void walk(run);
  return run;
}

/** How long the stream stays away after `POST /sample/break`, which stands for a gateway that restarts. */
const BREAK_MS = 4000;
let brokenUntil = 0;

function breakStreams(): void {
  brokenUntil = Date.now() + BREAK_MS;
  for (const stream of streams) stream.destroy();
  streams.clear();
}

function listen(request: IncomingMessage, response: ServerResponse): void {
  if (Date.now() < brokenUntil) return send(response, 503, problem(503, "Unavailable", "The gateway is restarting."));
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.write(": here\n\n");
  streams.add(response);
  request.on("close", () => streams.delete(response));
}

async function write(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const body = await bodyOf(request);
  if (path === "/sample/break") {
    breakStreams();
    return send(response, 204);
  }
  if (path === "/session" && request.method === "DELETE") {
    signedIn = false;
    return send(response, 204);
  }
  if (path.startsWith("/session")) {
    if (body.password === "wrong") return send(response, 401, problem(401, "Sign-in failed", "User name or password is wrong."));
    signedIn = true;
    return send(response, 200, me);
  }
  if (path === "/runs") {
    const inputs = (body.inputs ?? {}) as Record<string, string>;
    if (inputs.order_id === "0000") return send(response, 422, problem(422, "Invalid input", "One input is not right.", [{ path: "inputs.order_id", message: "no order has this number" }]));
    const run = start(inputs.order_id ?? "4711");
    return send(response, 202, { run_id: run.run_id, process_id: run.process_id, status: "queued", queued_at: run.queued_at });
  }
  const run = runs.get(path.split("/")[2] ?? "");
  if (!run) return send(response, 404, problem(404, "Run not found", "There is no run with this id."));
  Object.assign(run, { status: "cancelled", verdict: { text: "Cancelled by olga.", lead: "Cancelled by olga.", emphasis: null, tail: "", step_id: null } });
  emit(run, { type: "run.finished", status: "cancelled", verdict: "Cancelled by olga." });
  send(response, 202, run);
}

const me = { user_id: "1", username: "olga", role: "operator", via: "session", permissions: ["runs.start", "runs.cancel", "runs.read", "processes.read"] };

function read(response: ServerResponse, path: string, query: URLSearchParams): void {
  const [, resource, id, part, third] = path.split("/");
  const page = (items: unknown[]) => send(response, 200, { items, next_cursor: null });
  if (path === "/me") return send(response, 200, me);
  if (path === "/about") return send(response, 200, { name: "Steptrail", version: "0.1.0", topology: "embedded", demo: true });
  if (path === "/facets") return send(response, 200, { categories: [{ value: "Sales", count: 4 }, { value: "Finance", count: 2 }], tags: [{ value: "critical", count: 4 }], owners: [{ value: "team-orders", count: 5 }] });
  if (path === "/processes") {
    const q = (query.get("q") ?? "").toLowerCase();
    return page(rows.filter((row) => row.name.toLowerCase().includes(q) && (!query.get("status") || row.state.last_status === query.get("status")) && (!query.get("category") || row.category === query.get("category")) && (query.get("active") !== "true" || row.active)));
  }
  if (resource === "processes" && part === "revisions") return third ? send(response, 200, { ...sample, revision: Number(third) }) : page([14, 13, 12].map((revision) => ({ revision, saved_at: sample.updated_at, saved_by: "mira", note: revision === 13 ? "Longer allowance" : null, restored_from: null })));
  if (resource === "processes") return id === "newsletter" || id === "order-to-cash" ? send(response, 200, { ...sample, process_id: id, ...(id === "newsletter" ? { name: "Newsletter went out" } : {}) }) : send(response, 404, problem(404, "Process not found", "There is no process with this id."));
  if (resource === "metrics") return send(response, 200, part === "newsletter" ? [] : grid);
  if (path === "/runs") {
    if (query.get("limit") === "1") return page(query.get("process_id") === "order-to-cash" && latest ? [latest] : []);
    return page(summaries.filter((run) => (!query.get("key") || run.key === query.get("key")) && (!query.get("status") || run.status === query.get("status"))));
  }
  const run = runs.get(id ?? "") ?? (/^run-\d+$/.test(id ?? "") ? { ...stuckRun, run_id: id!, key: String(4662 + Number(id!.slice(4))) } : undefined);
  if (resource !== "runs" || !run) return send(response, 404, problem(404, "Run not found", "There is no run with this id."));
  if (part === "events") return page((logs.get(run.run_id) ?? []).filter((event) => event.seq > Number(query.get("after") ?? 0)));
  if (part === "diff") return send(response, 200, { run_id: run.run_id, against_run_id: "run-45", steps: [{ step_id: "invoice_file", number: 5, name: "", status: "overdue", before_status: "success", duration_seconds: 60.2, before_duration_seconds: 0.1, changes: [{ path: "assertions[0].actual", before: 1, after: 0 }, { path: "findings.Files in the folder", before: 219, after: 218 }] }] });
  if (part === "evidence") return send(response, 200, BODIES[third!] ?? { order: "4711", state: "PAID", note: "<script>alert(1)</script>" });
  send(response, 200, run);
}

/** One request to the sample API. */
export function handle(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://sample");
  const path = url.pathname.slice("/api/v1".length);
  if (!signedIn && !path.startsWith("/session")) return send(response, 401, problem(401, "Not signed in", "Sign in first."));
  if (path === "/events") return listen(request, response);
  if (request.method !== "GET") return void write(request, response, path);
  read(response, path, url.searchParams);
}
