/** What a new process can begin with. Each is a whole definition that only needs its addresses filled in. */
export type Template = { id: string; name: string; about: string; yaml: string };

const page = `  - id: page
    name: The page is there
    check:
      type: web_crawl
      url: https://example.com/
    assert:
      - {status: {eq: 200}}
`;

export const TEMPLATES: readonly Template[] = [
  { id: "empty", name: "One step", about: "A page that must answer. Add steps as you go.", yaml: `version: 1\nprocess: new-process\nname: New process\n\nsteps:\n${page}` },
  {
    id: "order",
    name: "Follow one key through systems",
    about: "An order, a ticket, a shipment: asked for when a run starts, then followed from page to API to database to file.",
    yaml: `version: 1
process: follow-one-order
name: Follow one order
inputs:
  order_id: {type: string, label: Order number, required: true, example: "4711"}

steps:
  - id: page
    name: The order is visible in the shop
    check:
      type: web_crawl
      url: https://shop.example.com/orders/\${{ inputs.order_id }}
    assert:
      - {status: {eq: 200}}

  - id: api
    name: The order service knows it
    check:
      type: api_call
      url: https://api.example.com/orders/\${{ inputs.order_id }}
    capture:
      placed_at: {jsonpath: $.placed_at, type: datetime}
    assert:
      - {jsonpath: $.state, in: [PAID, SHIPPED]}

  - id: row
    name: The invoice was written
    check:
      type: db_query
      connection: erp
      query: select invoice_no, status from invoices where order_no = :order
      params: {order: "\${{ inputs.order_id }}"}
    expect_within: 30m              # business lateness, not a technical timeout
    since: \${{ steps.api.placed_at }}
    assert:
      - {rows: {eq: 1}}
      - {column: status, eq: BOOKED}
`,
  },
  {
    id: "api",
    name: "An API, every five minutes",
    about: "Status, speed and one value of the answer; runs by itself.",
    yaml: `version: 1
process: api-is-up
name: API is up
schedule:
  - {every: 5m}

steps:
  - id: health
    name: The API answers
    check:
      type: api_call
      url: https://api.example.com/health
    assert:
      - {status: {eq: 200}}
      - {elapsed: {lt: 2s}}
      - {jsonpath: $.status, eq: ok}
`,
  },
  {
    id: "file",
    name: "A file that must arrive",
    about: "Present, not empty and fresh by a certain time of the working day.",
    yaml: `version: 1
process: nightly-file
name: Nightly file arrived
schedule:
  - {cron: "0 6 * * 1-5", timezone: Europe/Berlin}

steps:
  - id: file
    name: The file is in the folder
    check:
      type: file_check
      connection: outbox
      path: exports/*.csv
    assert:
      - {count: {gte: 1}}
      - {size: {gt: 0}}
      - {age: {lt: 24h}}
`,
  },
];

/** The smallest step of a kind, by what its schema requires. */
export function stepOfKind(kind: string, id: string, required: readonly string[]): Record<string, unknown> {
  const addresses: Record<string, string> = { web_crawl: "https://example.com/", api_call: "https://api.example.com/" };
  const check: Record<string, unknown> = { type: kind };
  if (addresses[kind]) check.url = addresses[kind];
  for (const name of required) if (name !== "type" && !(name in check)) check[name] = name === "query" ? "select 1" : "";
  return { id, name: "New step", check };
}
