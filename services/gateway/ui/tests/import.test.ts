import { describe, expect, it } from "vitest";
import { readDraft } from "@/lib/draft";
import { ImportProblem, importText, type Source, sourceOf } from "@/lib/import";

type Step = { id: string; name: string; check: Record<string, unknown>; assert?: unknown[]; capture?: Record<string, unknown>; [more: string]: unknown };
function imported(source: Source, text: string) {
  const { yaml, lost } = importText(source, text);
  const value = readDraft(yaml).value as { process: string; name: string; steps: Step[]; [more: string]: unknown };
  return { ...value, value, lost: lost.map(({ where, what }) => `${where}: ${what}`) };
}

describe("curl", () => {
  it("becomes an API call; credentials stay behind and are reported", () => {
    const { steps, lost } = imported("curl", `curl -sS 'https://ann:pw@api.example.com/orders?x=1' \\\n  -X PUT -H 'Accept: application/json' -H "Authorization: Bearer abc" \\\n  -H 'Content-Type: application/json' --data-raw '{"state": "PAID"}' --compressed -k`);
    expect(steps).toEqual([{ id: "put_orders", name: "PUT /orders", check: { type: "api_call", method: "PUT", url: "https://api.example.com/orders?x=1", headers: { Accept: "application/json" }, json: { state: "PAID" }, verify_tls: false } }]);
    expect(lost).toEqual(["command: user name and password in the address: keep them in the secrets of a connection", "command: header Authorization: a credential, keep it in the secrets of a connection"]);
  });

  it("understands forms, -G, glued options and several commands", () => {
    const { steps } = imported("curl", "curl -XPOST -d a=1 -d b=2 https://x.example/form\ncurl -G --data-urlencode 'q=a b' x.example/find");
    expect(steps.map((step) => step.check)).toEqual([
      { type: "api_call", method: "POST", url: "https://x.example/form", form: { a: "1", b: "2" } },
      { type: "api_call", url: "https://x.example/find?q=a%20b".replace("https://x", "https://x") },
    ]);
  });

  it("says what it cannot do", () => {
    expect(() => importText("curl", "wget x")).toThrow(ImportProblem);
    expect(() => importText("curl", "curl 'https://x")).toThrow(/quote/);
    expect(imported("curl", "curl -u a:b --ntlm -d @file https://x.example").lost).toHaveLength(3);
  });
});

describe("HAR", () => {
  const entry = (url: string, mimeType: string, extra = {}) => ({ request: { method: "GET", url, headers: [{ name: "Cookie", value: "s=1" }, { name: "X-Tenant", value: "a" }], ...extra }, response: { status: 200, content: { mimeType } } });
  it("keeps pages and calls, and leaves pictures and cookies behind", () => {
    const log = { entries: [entry("https://shop.example/", "text/html"), entry("https://shop.example/a.png", "image/png"), entry("https://shop.example/api", "application/json", { method: "POST", postData: { mimeType: "application/json", text: '{"a":1}' } })] };
    const { steps, lost } = imported("har", JSON.stringify({ log }));
    expect(steps.map((step) => step.check)).toEqual([
      { type: "web_crawl", url: "https://shop.example/" },
      { type: "api_call", method: "POST", url: "https://shop.example/api", headers: { "X-Tenant": "a" }, json: { a: 1 } },
    ]);
    expect(steps[0]!.assert).toEqual([{ status: { eq: 200 } }]);
    expect(lost).toHaveLength(3);
  });

  it("refuses what is none", () => {
    expect(() => importText("har", "{}")).toThrow(/log.entries/);
    expect(() => importText("har", "<html>")).toThrow(/JSON/);
  });
});

const GATUS = `
suites:
  - name: check-authentication
    group: security
    interval: 5m
    context: {user_id: "42"}
    endpoints:
      - name: login
        url: https://api.example.com/login
        method: POST
        body: '{"user": "[CONTEXT].user_id"}'
        headers: {Authorization: Bearer x}
        conditions:
          - "[STATUS] == 200"
          - "[BODY].user.name == any(ann, bob)"
          - "len([BODY].roles) > 0"
          - "has([BODY].token) == true"
          - "[RESPONSE_TIME] < 500"
          - "[CERTIFICATE_EXPIRATION] > 48h"
        store: {token: "[BODY].token", ip: "[IP]"}
        alerts: [{type: slack}]
      - name: logout
        url: https://api.example.com/logout
        always-run: true
alerting: {slack: {}}
`;
describe("Gatus", () => {
  it("turns a suite into a process", () => {
    const { steps, name, value, lost } = imported("gatus", GATUS);
    expect([name, value.category, value.schedule, value.vars]).toEqual(["check-authentication", "security", [{ every: "5m" }], { user_id: "42" }]);
    expect(steps[0]).toEqual({
      id: "login",
      name: "login",
      check: { type: "api_call", method: "POST", url: "https://api.example.com/login", json: { user: "${{ vars.user_id }}" } },
      assert: [{ status: { eq: 200 } }, { jsonpath: "$.user.name", in: ["ann", "bob"] }, { jsonpath: "$.roles[*]", count: { gt: 0 } }, { jsonpath: "$.token", exists: true }, { elapsed: { lt: "500ms" } }],
      capture: { token: { jsonpath: "$.token" } },
    });
    expect(steps[1]!.always_run).toBe(true);
    expect(lost.join("\n")).toMatch(/alerting[\s\S]*alerts[\s\S]*CERTIFICATE_EXPIRATION[\s\S]*store ip[\s\S]*Authorization/);
  });
});

const HURL = `
# Sign in
POST https://api.example.com/login
[FormParams]
user: {{user}}
HTTP 200
[Captures]
token: jsonpath "$.token"
csrf: cookie "csrf"
[Asserts]
jsonpath "$.state" == "OK"
jsonpath "$.items" count > 2
header "content-type" contains "json"
duration < 1000
certificate "Subject" contains "x"

GET https://api.example.com/orders
X-Token: {{token}}
HTTP/2 200
[Asserts]
jsonpath "$.id" not exists
xpath "//h1" startsWith "Or"
`;
describe("Hurl", () => {
  it("keeps captures, asserts and variables", () => {
    const { steps, value, lost } = imported("hurl", HURL);
    expect(value.inputs).toEqual({ user: { type: "string" } });
    expect(steps[0]).toEqual({
      id: "sign_in",
      name: "Sign in",
      check: { type: "api_call", method: "POST", url: "https://api.example.com/login", form: { user: "${{ inputs.user }}" } },
      assert: [{ status: { eq: 200 } }, { jsonpath: "$.state", eq: "OK" }, { jsonpath: "$.items", count: { gt: 2 } }, { header: "content-type", contains: "json" }, { elapsed: { lt: "1000ms" } }],
      capture: { token: { jsonpath: "$.token" } },
    });
    expect(steps[1]).toMatchObject({ id: "get_orders", check: { headers: { "X-Token": "${{ steps.sign_in.token }}" } }, assert: [{ status: { eq: 200 } }, { jsonpath: "$.id", exists: false }, { xpath: "//h1", matches: "^Or" }] });
    expect(lost).toEqual(['line 3: assert certificate "Subject" contains "x"', 'line 3: capture csrf: cookie "csrf"']);
  });
});

describe("any import", () => {
  it.each<[Source, string]>([["curl", "curl https://x"], ["har", '{"log": {"entries": []}}'], ["gatus", GATUS], ["hurl", HURL], ["yaml", "process: x\nsteps: []"]])("knows %s by its looks", (source, text) => {
    expect(sourceOf(text)).toBe(source);
  });

  it("keeps our own YAML letter by letter", () => {
    const text = "# mine\nprocess: x\nsteps: []   # none\n";
    expect(importText("yaml", text)).toEqual({ yaml: text, lost: [] });
    expect(() => importText("yaml", "a: [")).toThrow(/Line 1|Line 2/);
  });

  it("takes what is executable as text", () => {
    const { steps } = imported("curl", "curl 'https://x.example/<script>alert(1)</script>?a=`id`&b=$(id)'");
    expect(steps[0]!.check.url).toBe("https://x.example/<script>alert(1)</script>?a=`id`&b=$(id)");
  });
});
