/** Processes and runs to look at while working on the pages, shaped by the API's own types. */
import type { Definition, GridColumn, ProcessRow, ProcessView, RunStatus, RunSummary, RunView, StepStatus, StepView } from "@/api/types";
import { plannedChain } from "@/lib/chain";

export const NOW = Date.now();
export const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();

export const YAML = `version: 1
process: order-to-cash            # stable for history
name: Order to cash
description: From shop order to bank file
category: Sales
tags: [critical]
owner: team-orders
inputs:
  order_id: {type: string, label: Order number, matches: '^[0-9]{4,12}$', required: true, example: "4711"}
timeout: 5m
steps:
  - id: shop_page
    name: Order is visible in the shop
    check:
      type: web_crawl
      url: \${{ vars.shop }}/orders/\${{ inputs.order_id }}
    assert:
      - {status: {eq: 200}}
      - {selector: .order-number, text: {eq: "\${{ inputs.order_id }}"}}
  - id: invoice_row
    name: Invoice was written
    check:
      type: db_query
      connection: erp
      query: select invoice_no, status, iban from invoices where order_no = :order
      params: {order: "\${{ inputs.order_id }}"}
    expect_within: 30m
`;

const step = (id: string, name: string, check: Definition["steps"][number]["check"], more: object = {}) =>
  ({ id, name, check, enabled: true, assert: [], capture: {}, on_failure: "stop", always_run: false, ...more }) as unknown as Definition["steps"][number];

const web = (url: string) => ({ type: "web_crawl", url, headers: {}, verify_tls: true }) as unknown as Definition["steps"][number]["check"];
const api = (path: string, method = "GET") => ({ type: "api_call", connection: "order-service", path, method, query: {}, headers: {}, verify_tls: true, mask: [] }) as unknown as Definition["steps"][number]["check"];

export const definition: Definition = {
  version: 1,
  process: "order-to-cash",
  name: "Order to cash",
  description: "From shop order to bank file",
  category: "Sales",
  tags: ["critical"],
  owner: "team-orders",
  active: true,
  inputs: {
    order_id: { type: "string", label: "Order number", description: "As printed on the confirmation", matches: "^[0-9]{4,12}$", required: true, example: "4711" },
    region: { type: "string", label: "Region", required: false, options: ["EU", "US", "APAC"] },
  },
  vars: { shop: "https://shop.example.com" },
  timeout: "5m",
  schedule: [{ every: "15m", timezone: "UTC", inputs: { order_id: "900001" } }],
  defaults: { timeout: "30s" },
  notify: [{ channel: "ops-hook", on: ["failed", "stuck", "recovered"], after_failures: 2 }],
  steps: [
    step("shop_page", "Order is visible in the shop", web("${{ vars.shop }}/orders/${{ inputs.order_id }}"), {
      assert: [
        { subject: "status", operators: { eq: 200 } },
        { subject: "selector", argument: ".order-number", part: "text", operators: { eq: "${{ inputs.order_id }}" } },
      ],
    }),
    step("order_api", "Order service knows the order", api("/orders/${{ inputs.order_id }}"), {
      assert: [{ subject: "jsonpath", argument: "$.state", operators: { in: ["PAID", "SHIPPED"] } }],
      capture: { placed_at: { jsonpath: "$.placed_at", type: "datetime", row: "first", optional: false } },
    }),
    step("payment", "Payment was captured", api("/payments/${{ inputs.order_id }}"), { retry: { count: 2, interval: "2s", backoff: "exponential", max_interval: "30s", on: ["dns", "connect", "timeout"] } }),
    step(
      "invoice_row",
      "Invoice was written",
      {
        type: "db_query",
        connection: "erp",
        query: "select invoice_no, status, iban\nfrom invoices\nwhere order_no = :order",
        params: { order: "${{ inputs.order_id }}" },
        mask: ["iban"],
      },
      {
        owner: "team-billing",
        runbook: "https://wiki.example.com/billing/invoice-missing",
        expect_within: "30m",
        since: "${{ steps.order_api.placed_at }}",
        assert: [
          { subject: "rows", operators: { eq: 1 } },
          { subject: "column", argument: "status", operators: { eq: "BOOKED" } },
        ],
        capture: { invoice: { column: "invoice_no", row: "first", optional: false } },
      },
    ),
    step("invoice_file", "Invoice file reached the bank folder", { type: "file_check", connection: "bank-out", path: "invoices/${{ steps.invoice_row.invoice }}.xml" }, {
      owner: "team-billing",
      runbook: "https://wiki.example.com/billing/invoice-file-missing",
      expect_within: "30m",
      wait_until: { interval: "5s", timeout: "60s" },
      description: "The ERP writes one XML per invoice; the bank picks the folder up every hour.",
      assert: [{ subject: "count", operators: { eq: 1 } }],
    }),
    step("confirmed", "Bank confirmed the file", api("/confirmations/${{ inputs.order_id }}")),
    step("release", "Release the test lock", api("/locks/${{ inputs.order_id }}", "DELETE"), { always_run: true }),
  ],
} as unknown as Definition;

export const process: ProcessView = {
  process_id: "order-to-cash",
  name: definition.name,
  description: definition.description ?? null,
  category: "Sales",
  tags: ["critical"],
  owner: "team-orders",
  active: true,
  step_count: 7,
  revision: 14,
  created_at: at(86400 * 90),
  updated_at: at(86400 * 2),
  updated_by: "mira",
  document: {},
  definition,
  source_yaml: YAML,
} as ProcessView;

const usual = [0.4, 0.1, 0.3, 0.1, 0.1, 0.2, 0.1];
const took = [0.41, 0.12, 0.64, 0.06, 60.2, null, 0.09];
const state: StepStatus[] = ["success", "success", "success", "success", "overdue", "skipped", "success"];
const sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const piece = (id: string, kind: string, title: string, media_type: string, size_bytes: number) =>
  ({ evidence_id: id, kind, title, media_type, size_bytes, sha256: sha, address: id, truncated: false }) as StepView["evidence"][number];

function stuckSteps(): StepView[] {
  return plannedChain(definition).map((one, index) => ({
    ...one,
    status: state[index]!,
    reason: state[index] === "skipped" ? "it needs step 5" : null,
    attempt: index === 2 ? 2 : index === 4 ? 12 : state[index] === "skipped" ? 0 : 1,
    expected_duration_seconds: usual[index]!,
    duration_seconds: took[index] ?? null,
    started_at: at(80 - index),
    ended_at: at(12),
    target: ["https://shop.example.com/orders/4711", "order-service · /orders/4711", "order-service · /payments/4711", "erp · select invoice_no, status, iban from invoices", "bank-out · invoices/R-20931.xml", null, "order-service · /locks/4711"][index] ?? null,
    timings: index < 3 ? { dns: 0.0031, connect: 0.012, tls: 0.031, first_byte: 0.21, body: 0.008, total: 0.264 } : {},
    captures: index === 1 ? { placed_at: at(11520) } : index === 3 ? { invoice: "R-20931" } : {},
    assertions:
      index === 0
        ? [
            { label: "status", operator: "eq", expected: 200, actual: 200, met: true },
            { label: ".order-number text", operator: "eq", expected: "4711", actual: "4711", met: true },
          ]
        : index === 1
          ? [{ label: "$.state", operator: "in", expected: ["PAID", "SHIPPED"], actual: "PAID", met: true }]
          : index === 3
            ? [
                { label: "rows", operator: "eq", expected: 1, actual: 1, met: true },
                { label: "column status", operator: "eq", expected: "BOOKED", actual: "BOOKED", met: true },
              ]
            : index === 4
              ? [
                  { label: "count", operator: "eq", expected: 1, actual: 0, met: false },
                  { label: "size", operator: "gt", expected: 0, actual: null, met: false, message: "no file" },
                  { label: "age", operator: "lt", expected: "24h", actual: null, met: false, message: "no file" },
                ]
              : [],
    findings:
      index === 4
        ? [
            { label: "Nearest file", value: "invoices/R-20930.xml, 15:21, 4.1 kB", fleeting: false },
            { label: "Files in the folder", value: 218, fleeting: false },
          ]
        : index < 3
          ? [{ label: "HTTP status", value: 200, fleeting: false }]
          : [],
    evidence:
      index === 3
        ? [piece("rows-1", "rows", "Rows", "application/json", 412)]
        : index === 4
          ? [piece("list-1", "listing", "Folder invoices", "application/json", 2140)]
          : index < 3
            ? [piece(`req-${index}`, "request", "Request", "text/plain", 214), piece(`res-${index}`, "response", "Response", "application/json", 730)]
            : [],
    failure_class: index === 4 ? "not_found" : null,
    message: index === 4 ? "No file matches invoices/R-20931.xml in bank-out" : null,
    first_aid: index === 4 ? "Nothing was there under the name that was asked for. See whether the step before really delivered it, then whether the name is built as the receiver expects." : null,
    since_at: index === 4 ? at(11520) : null,
    due_at: index === 4 ? at(11520 - 1800) : null,
    attempts:
      index === 2
        ? [
            { attempt: 1, status: "failed", dispatched_at: at(78), started_at: at(78), ended_at: at(77.7), worker_id: "crawler-7f2a", failure_class: "timeout", reason: null, message: "No answer within 0.3 s", duration_seconds: 0.3, evidence: [], late: false },
            { attempt: 2, status: "passed", dispatched_at: at(76), started_at: at(76), ended_at: at(75.4), worker_id: "crawler-1b90", failure_class: null, reason: null, message: null, duration_seconds: 0.64, evidence: [], late: false },
          ]
        : state[index] === "skipped"
          ? []
          : [{ attempt: 1, status: index === 4 ? "failed" : "passed", dispatched_at: at(70), started_at: at(70), ended_at: at(69), worker_id: "crawler-7f2a", failure_class: index === 4 ? "not_found" : null, reason: null, message: null, duration_seconds: took[index] ?? 1, evidence: [], late: false }],
  })) as StepView[];
}

const stuckVerdict = {
  text: "Passed 1–4, stuck at 5 “Invoice file reached the bank folder”, waiting 3 h 12 m, expected within 30 min.",
  lead: "Passed 1–4, ",
  emphasis: "stuck at 5 “Invoice file reached the bank folder”",
  tail: ", waiting 3 h 12 m, expected within 30 min.",
  step_id: "invoice_file",
};

export const stuckRun: RunView = {
  run_id: "run-49",
  process_id: "order-to-cash",
  process_name: "Order to cash",
  revision: 14,
  status: "stuck",
  trigger: "manual",
  initiated_by: "olga",
  key: "4711",
  inputs: { order_id: "4711" },
  queued_at: at(74),
  started_at: at(74),
  ended_at: at(12),
  duration_seconds: 61.9,
  current_step: null,
  verdict: stuckVerdict,
  failure_class: "not_found",
  process_owner: "team-orders",
  deadline_at: at(-220),
  expected_duration_seconds: 2.1,
  steps_done: 7,
  steps_planned: 7,
  from_run: null,
  from_step: null,
  rechecked_by: [],
  last_good_run: null,
  last_seq: 17,
  steps: stuckSteps(),
} as RunView;

const ids = definition.steps.map((one) => one.id);
const GRID_STATUS: Record<number, [RunStatus, number, StepStatus]> = {
  17: ["failed", 2, "failed"],
  26: ["error", 1, "error"],
  46: ["stuck", 4, "overdue"],
  47: ["stuck", 4, "overdue"],
  48: ["not_yet", 4, "not_yet"],
  49: ["stuck", 4, "overdue"],
};

export const grid: GridColumn[] = Array.from({ length: 50 }, (_, index) => {
  const [status, where, how] = GRID_STATUS[index] ?? (["success", 99, "success"] as [RunStatus, number, StepStatus]);
  const steps = Object.fromEntries(ids.map((id, at) => [id, at < where || at === 6 ? "success" : at === where ? how : "skipped"]));
  const wobble = 1 + 0.3 * Math.sin(index * 2.1) + ([11, 12, 30].includes(index) ? 1.4 : 0);
  const step_seconds = Object.fromEntries(ids.filter((id) => steps[id] === "success").map((id) => [id, usual[ids.indexOf(id)]! * (id === "invoice_row" || id === "shop_page" ? wobble : 1)]));
  return {
    run_id: `run-${index}`,
    status,
    trigger: index % 7 ? "schedule" : "manual",
    key: String(4662 + index),
    queued_at: at((50 - index) * 900),
    duration_seconds: 1.5 * wobble,
    steps,
    step_seconds,
  } as GridColumn;
});

const NAMES: [string, string, string, RunStatus | null, string | null][] = [
  ["order-to-cash", "Order to cash", "Sales", "stuck", stuckVerdict.text],
  ["returns", "Returns reach the warehouse", "Logistics", "failed", "Passed 1–2, failed at 3 “Label was printed”: status 502 instead of 200."],
  ["payroll-export", "Payroll export", "Finance", "error", "Could not check 1 “Payroll table is filled”: sign-in refused."],
  ["customer-sync", "Customer sync to CRM", "Sales", "not_yet", "Passed 1–3, not yet at 4 “CRM has the customer”, due in 12 min."],
  ["price-list", "Price list is published", "Sales", "warning", "Passed 1–4, warning at 3 “Prices changed”: 412 rows."],
  ["shop-front", "Shop front page", "Sales", "success", "All 3 steps passed in 0.9 s."],
  ["backup", "Nightly backup arrived", "Operations", "success", "All 4 steps passed in 2.4 s."],
  ["tax-report", "Tax report delivered", "Finance", "success", "All 5 steps passed in 3.1 s."],
  ["supplier-edi", "Supplier EDI inbox", "Logistics", "success", "All 6 steps passed in 5.0 s."],
  ["newsletter", "Newsletter went out", "Marketing", null, null],
];

export const rows: ProcessRow[] = NAMES.map(([id, name, category, status, verdict], index) => ({
  process_id: id,
  name,
  description: null,
  category,
  tags: index % 3 ? ["daily"] : ["critical"],
  owner: index % 2 ? "team-billing" : "team-orders",
  active: id !== "tax-report",
  step_count: 3 + (index % 5),
  revision: 3,
  created_at: at(1e6),
  updated_at: at(1e5),
  updated_by: "mira",
  next_run_at: index % 2 ? at(-600 - index * 60) : null,
  state: {
    process_id: id,
    last_run_id: status ? (id === "order-to-cash" ? "run-49" : `${id}-29`) : null,
    last_status: status,
    last_key: status ? String(4711 + index * 13) : null,
    last_verdict: verdict,
    last_run_at: status ? at(60 + index * 137) : null,
    since: status ? at(3000 + index * 40000) : null,
    running: index === 5 ? 1 : 0,
    recent: status
      ? Array.from({ length: index === 3 ? 12 : 30 }, (_, at) => [`${id}-${at}`, at > 26 ? status : at === 9 && index % 2 ? "failed" : at === 17 && index % 3 === 0 ? "stuck" : "success"])
      : [],
  },
})) as ProcessRow[];

export const summaries: RunSummary[] = [
  stuckRun,
  ...rows.filter((row) => row.state.last_status).map((row, index) => ({
    ...stuckRun,
    run_id: `${row.process_id}-29`,
    process_id: row.process_id,
    process_name: row.name,
    status: row.state.last_status!,
    key: row.state.last_key,
    trigger: (["schedule", "api", "cli", "recheck"] as const)[index % 4]!,
    initiated_by: index % 2 ? "schedule" : "mira",
    queued_at: at(300 + index * 800),
    duration_seconds: 1 + index,
    verdict: { text: row.state.last_verdict!, lead: row.state.last_verdict!, emphasis: null, tail: "", step_id: null },
  })),
];
