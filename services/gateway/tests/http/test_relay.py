"""What is passed on to the services, and what comes back."""

import io
import json
import zipfile
from typing import Any

import pytest
from steptrail_common.contracts.model import FieldError, Problem
from steptrail_common.testing.scripted import Asked, Scripted


def summary(process_id: str, **more: Any) -> dict[str, Any]:
    return {
        "process_id": process_id,
        "name": process_id.title(),
        "description": None,
        "category": "sales",
        "tags": [],
        "owner": None,
        "active": True,
        "step_count": 2,
        "revision": 1,
        "created_at": "2026-11-01T00:00:00Z",
        "updated_at": "2026-11-01T00:00:00Z",
        "updated_by": "ada",
        **more,
    }


def state(process_id: str, status: str | None) -> dict[str, Any]:
    return {
        "process_id": process_id,
        "last_run_id": "r1",
        "last_status": status,
        "last_key": "4711",
        "last_verdict": "Passed.",
        "last_run_at": "2026-11-02T00:00:00Z",
        "since": None,
        "running": 0,
        "recent": [],
    }


def behind_list(door: Any, pages: list[list[str]], statuses: dict[str, str]) -> None:
    """A catalog that answers in these pages, and reporting that knows these last statuses."""

    def catalog(asked: Asked) -> Scripted:
        number = int(asked.query.get("cursor", ["0"])[0])
        following = str(number + 1) if number + 1 < len(pages) else None
        return Scripted({"items": [summary(one) for one in pages[number]], "next_cursor": following})

    def reporting(asked: Asked) -> Scripted:
        return Scripted([state(one, statuses[one]) for one in asked.query["ids"] if one in statuses])

    def orchestrator(asked: Asked) -> Scripted:
        at = "2026-11-21T00:00:00Z"
        return Scripted([{"process_id": one, "next_run_at": at} for one in asked.query["process_id"] if one == "a"])

    door.behind.catalog.react("GET", "/processes", catalog)
    door.behind.orchestrator.react("GET", "/schedules/next", orchestrator)
    door.behind.reporting.react("GET", "/processes/states", reporting)
    door.behind.notifier.answer("GET", "/incidents/of-processes", [])


@pytest.mark.req("FR-006")
async def test_start_of_a_run_is_passed_on_with_who_and_how(door: Any) -> None:
    """The orchestrator learns the person, the role and the trigger; the client gets 202 and where the run is."""
    accepted = {"run_id": "r1", "process_id": "p", "status": "queued", "queued_at": "2026-11-20T12:00:00Z"}
    door.behind.orchestrator.answer("POST", "/runs", accepted, status=202, headers={"location": "/runs/r1"})
    browser = await door.browser()
    answer = await browser.post("/api/v1/runs", json={"process_id": "p", "inputs": {"order_id": "4711"}})
    assert answer.status_code == 202
    assert answer.json() == accepted
    assert answer.headers["location"] == "/api/v1/runs/r1"
    asked = door.behind.orchestrator.asked[-1]
    assert asked.json == {"process_id": "p", "inputs": {"order_id": "4711"}}
    assert asked.headers["x-steptrail-actor"] == "admin"
    assert asked.headers["x-steptrail-role"] == "admin"
    assert asked.headers["x-steptrail-trigger"] == "manual"
    assert asked.headers["authorization"].startswith("Bearer t")
    assert "cookie" not in asked.headers


@pytest.mark.parametrize(("client", "trigger"), [(None, "api"), ("cli", "cli")])
async def test_trigger_of_programs(door: Any, client: str | None, trigger: str) -> None:
    """A token means `api`, unless the command line says that it is one."""
    door.behind.orchestrator.answer("POST", "/runs", {}, status=202)
    headers = {"X-Steptrail-Client": client} if client else {}
    await (await door.program("operator")).post("/api/v1/runs", json={"process_id": "p"}, headers=headers)
    assert door.behind.orchestrator.asked[-1].headers["x-steptrail-trigger"] == trigger


async def test_client_cannot_say_who_it_is(door: Any) -> None:
    """Headers between services are ours alone."""
    door.behind.orchestrator.answer("POST", "/runs", {}, status=202)
    forged = {"X-Steptrail-Actor": "root", "X-Steptrail-Role": "admin", "X-Steptrail-Trigger": "schedule"}
    await (await door.program("operator")).post("/api/v1/runs", json={"process_id": "p"}, headers=forged)
    headers = door.behind.orchestrator.asked[-1].headers
    assert (headers["x-steptrail-actor"], headers["x-steptrail-role"]) == ("admin", "operator")
    assert headers["x-steptrail-trigger"] == "api"


async def test_idempotency_key_belongs_to_a_person(door: Any) -> None:
    """The same key of the same person is the same key downstream, of another person another one."""
    door.behind.orchestrator.answer("POST", "/runs", {}, status=202)
    admin = await door.browser()
    await admin.post("/api/v1/users", json={"username": "eve", "password": "eves long password", "role": "operator"})
    eve = await door.browser("eve", "eves long password")
    for client in (admin, admin, eve):
        await client.post("/api/v1/runs", json={"process_id": "p"}, headers={"Idempotency-Key": "k"})
    first, second, third = (asked.headers["idempotency-key"] for asked in door.behind.orchestrator.asked)
    assert first == second != third
    absurd = await admin.post("/api/v1/runs", json={"process_id": "p"}, headers={"Idempotency-Key": "k" * 201})
    assert absurd.json()["errors"][0]["path"] == "header.Idempotency-Key"


async def test_definition_is_passed_on_byte_by_byte(door: Any) -> None:
    """YAML keeps its comments and line numbers; ETag and If-Match go through."""
    door.behind.catalog.answer("PUT", "/processes/p", {"process_id": "p"}, headers={"etag": '"4"'})
    text = b"version: 1 # keep me\nprocess: p\n"
    headers = {"Content-Type": "application/yaml", "If-Match": '"3"'}
    answer = await (await door.program("editor")).put("/api/v1/processes/p", content=text, headers=headers)
    assert answer.headers["etag"] == '"4"'
    asked = door.behind.catalog.asked[-1]
    assert (asked.body, asked.headers["content-type"], asked.headers["if-match"]) == (text, "application/yaml", '"3"')


async def test_yaml_is_given_when_asked_for(door: Any) -> None:
    yaml = {"content-type": "application/yaml", "etag": '"3"'}
    door.behind.catalog.answer("GET", "/processes/p", b"version: 1\n", headers=yaml)
    answer = await (await door.program("viewer")).get("/api/v1/processes/p", headers={"Accept": "application/yaml"})
    assert answer.text == "version: 1\n"
    assert answer.headers["content-type"] == "application/yaml"
    assert door.behind.catalog.asked[-1].headers["accept"] == "application/yaml"


async def test_not_modified_comes_through(door: Any) -> None:
    door.behind.catalog.answer("GET", "/processes/p", None, status=304, headers={"etag": '"3"'})
    answer = await (await door.program("viewer")).get("/api/v1/processes/p", headers={"If-None-Match": '"3"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert door.behind.catalog.asked[-1].headers["if-none-match"] == '"3"'


@pytest.mark.req("NFR-012")
async def test_problem_of_a_service_reaches_the_client(door: Any) -> None:
    """Status, text and every field error, as a problem document whose instance is the public address."""
    faults = [FieldError(path="steps[2].check.url", message="must start with http", line=14)]
    problem = Problem(type="/problems/invalid-input", title="Invalid input", status=422, detail="no", errors=faults)
    door.behind.catalog.refuse("POST", "/processes", problem)
    answer = await (await door.program("editor")).post("/api/v1/processes", json={"version": 1})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == "/api/v1/processes"
    assert answer.json()["errors"] == [{"path": "steps[2].check.url", "message": "must start with http", "line": 14}]


@pytest.mark.parametrize(
    ("status", "slug"), [(404, "not-found"), (409, "conflict"), (412, "stale"), (413, "too-large")]
)
async def test_every_refusal_keeps_its_status(door: Any, status: int, slug: str) -> None:
    door.behind.catalog.refuse("PUT", "/processes/p", Problem(type="x", title="x", status=status, detail="because"))
    answer = await (await door.program("editor")).put("/api/v1/processes/p", json={})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert answer.json()["detail"] == "because"


async def test_retry_after_of_a_service_comes_through(door: Any) -> None:
    busy = Problem(type="x", title="x", status=429, detail="slow down")
    door.behind.orchestrator.refuse("POST", "/steps/try", busy, headers={"retry-after": "7"})
    body = {"definition": {}, "step_id": "a"}
    answer = await (await door.program("editor")).post("/api/v1/steps/try", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


@pytest.mark.req("NFR-008")
async def test_service_that_is_away_is_503(door: Any) -> None:
    door.behind.orchestrator.away = True
    answer = await (await door.program("viewer")).get("/api/v1/runs")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")


async def test_filters_of_runs_are_passed_on(door: Any) -> None:
    door.behind.orchestrator.answer("GET", "/runs", {"items": [], "next_cursor": None})
    params = {"status": ["failed", "stuck"], "process_id": "p", "since": "2026-01-01T00:00:00Z", "limit": "10"}
    answer = await (await door.program("viewer")).get("/api/v1/runs", params=params)
    assert answer.json() == {"items": [], "next_cursor": None}
    assert door.behind.orchestrator.asked[-1].query == {
        "status": ["failed", "stuck"],
        "process_id": ["p"],
        "since": ["2026-01-01T00:00:00Z"],
        "limit": ["10"],
    }


@pytest.mark.req("FR-001")
async def test_list_of_processes_carries_their_last_verdict(door: Any) -> None:
    """One page of the catalog joined with reporting; what never ran has an empty state."""
    behind_list(door, [["a", "b"]], {"a": "failed"})
    params = {"q": "x", "category": "sales", "tag": ["one", "two"], "active": "true", "limit": "2"}
    page = (await (await door.program("viewer")).get("/api/v1/processes", params=params)).json()
    assert [(row["process_id"], row["state"]["last_status"]) for row in page["items"]] == [("a", "failed"), ("b", None)]
    assert [row["next_run_at"] for row in page["items"]] == ["2026-11-21T00:00:00Z", None]
    query = door.behind.catalog.asked[-1].query
    assert query == {"q": ["x"], "category": ["sales"], "tag": ["one", "two"], "active": ["true"], "limit": ["2"]}


@pytest.mark.req("FR-004")
async def test_status_filter_looks_on_until_it_finds(door: Any) -> None:
    """Pages without a match are skipped; the cursor goes on behind the page that had one."""
    behind_list(door, [["a"], ["b"], ["c"], ["d"]], {"a": "success", "b": "success", "c": "stuck", "d": "stuck"})
    viewer = await door.program("viewer")
    first = (await viewer.get("/api/v1/processes", params={"status": ["stuck", "failed"], "limit": 1})).json()
    assert ([row["process_id"] for row in first["items"]], first["next_cursor"]) == (["c"], "3")
    params = {"status": "stuck", "limit": 1, "cursor": first["next_cursor"]}
    second = (await viewer.get("/api/v1/processes", params=params)).json()
    assert ([row["process_id"] for row in second["items"]], second["next_cursor"]) == (["d"], None)


async def test_list_works_without_reporting_unless_it_is_needed(door: Any) -> None:
    """A part that is away takes only its own share with it."""
    behind_list(door, [["a"]], {"a": "failed"})
    door.behind.reporting.away = True
    door.behind.orchestrator.away = True
    door.behind.notifier.away = True
    viewer = await door.program("viewer")
    page = (await viewer.get("/api/v1/processes")).json()
    assert page["items"][0]["state"]["last_status"] is None
    assert page["items"][0]["next_run_at"] is None
    assert page["items"][0]["incident"] is None
    assert (await viewer.get("/api/v1/processes", params={"status": "failed"})).status_code == 503


@pytest.mark.req("NFR-009")
async def test_evidence_is_saved_not_shown(door: Any) -> None:
    """A hostile page that was fetched as evidence cannot run as ours."""
    html = {"content-type": "text/html"}
    door.behind.orchestrator.answer("GET", "/runs/r1/evidence/e1", b"<script>alert(1)</script>", headers=html)
    answer = await (await door.program("viewer")).get("/api/v1/runs/r1/evidence/e1")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == 'attachment; filename="e1"'
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.req("FR-023")
async def test_a_run_is_packed_into_one_archive(door: Any) -> None:
    """The run, its events and its evidence; a fetched page is saved as text, and what cannot be read is named."""
    piece = {"kind": "page", "title": "Page ../..", "media_type": "text/html", "size_bytes": 4, "sha256": "0",
             "address": "a"}  # fmt: skip
    pieces = [{"evidence_id": "e1", **piece}, {"evidence_id": "gone", **piece}]
    step = {"step_id": "page", "number": 1, "name": "Page", "check_type": "web_crawl", "status": "success",
            "timeout_seconds": 30, "evidence": pieces}  # fmt: skip
    at = "2026-11-21T00:00:00Z"
    run = {"run_id": "r1", "process_id": "p", "process_name": "P", "revision": 1, "status": "success", "trigger": "api",
           "initiated_by": "ada", "queued_at": at, "verdict": {"text": "Fine.", "lead": "Fine."}, "deadline_at": at,
           "steps_done": 1, "steps_planned": 1, "last_seq": 2, "steps": [step]}  # fmt: skip
    service = door.behind.orchestrator
    service.answer("GET", "/runs/r1", run)
    service.answer("GET", "/runs/r1/events", {"items": [{"seq": 1}], "next_cursor": None})
    service.answer("GET", "/runs/r1/evidence/e1", b"<b>")
    answer = await (await door.program("viewer")).get("/api/v1/runs/r1/bundle.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="steptrail-run-r1.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        first, second = "evidence/01-page/01-page.txt", "evidence/01-page/02-page.txt"
        assert sorted(archive.namelist()) == ["events.json", first, "missing.json", "run.json"]
        assert archive.read(first) == b"<b>"
        assert list(json.loads(archive.read("missing.json"))) == [second]
        assert json.loads(archive.read("run.json"))["steps"][0]["step_id"] == "page"


async def test_the_overview_joins_order_and_counts_with_definitions(door: Any) -> None:
    """Reporting's order stands; a process that the catalog no longer has is left out. Only busy ones can be slow."""
    page = {"processes": 3, "by_status": {"failed": 1, "success": 1}, "never_run": 1, "running": 0, "next_cursor": "x"}
    items = [state("b", "failed") | {"running": 1}, state("gone", "success"), state("a", None)]
    door.behind.reporting.answer("GET", "/processes/overview", page | {"items": items})
    door.behind.catalog.answer("GET", "/processes", {"items": [summary("a"), summary("b")], "next_cursor": None})
    at = "2026-11-21T00:00:00Z"
    door.behind.orchestrator.answer("GET", "/schedules/next", [{"process_id": "b", "next_run_at": at}])
    door.behind.orchestrator.answer("GET", "/slow", [{"process_id": "b", "slow_at": at}])
    standing = {"process_id": "b", "incident_id": "1", "state": "open", "title": "db.test cannot be reached"}
    door.behind.notifier.answer("GET", "/incidents/of-processes", [standing])
    answer = await (await door.program("viewer")).get("/api/v1/overview", params={"limit": 3})
    told = answer.json()
    ahead = [(row["name"], row["next_run_at"], row["slow_at"]) for row in told["items"]]
    assert ahead == [("B", at, at), ("A", None, None)]
    assert [row["incident"] for row in told["items"]] == [standing, None]
    assert door.behind.orchestrator.asked[-1].query == {"process_id": ["b"]}
    assert (told["processes"], told["by_status"], told["next_cursor"]) == (3, {"failed": 1, "success": 1}, "x")
    assert door.behind.catalog.asked[-1].query["ids"] == ["b", "gone", "a"]


@pytest.mark.req("IR-8")
@pytest.mark.parametrize("deed", ["acknowledge", "unacknowledge", "resolve"])
async def test_operators_handle_incidents_and_viewers_read_them(door: Any, deed: str) -> None:
    """Who did it goes along and into the audit log; a viewer sees the list and is refused the deed."""
    door.behind.notifier.answer("GET", "/incidents", {"items": [], "next_cursor": None, "open": 0, "acknowledged": 0})
    door.behind.notifier.answer("POST", f"/incidents/a1/{deed}", {"incident_id": "a1"})
    viewer, operator = await door.program("viewer"), await door.program("operator")
    assert (await viewer.get("/api/v1/incidents", params={"state": ["open", "resolved"]})).status_code == 200
    assert door.behind.notifier.asked[-1].query == {"state": ["open", "resolved"]}
    assert (await viewer.post(f"/api/v1/incidents/a1/{deed}", json={})).status_code == 403
    answer = await operator.post(f"/api/v1/incidents/a1/{deed}", json={"note": "mine"})
    assert answer.status_code == 200
    asked = door.behind.notifier.asked[-1]
    assert (asked.json, asked.headers["x-steptrail-role"]) == ({"note": "mine"}, "operator")
    assert asked.headers["x-steptrail-actor"] == "admin", "whose token it is"
    refused = await operator.post(f"/api/v1/incidents/a1/{deed}", json={"note": "x" * 1001})
    assert refused.json()["errors"][0]["path"] == "body.note"
    audit = (await (await door.program("admin")).get("/api/v1/audit", params={"action": "incident."})).json()["items"]
    assert [(line["action"], line["object"]) for line in audit] == [(f"incident.{deed}", "a1")]


@pytest.mark.req("FR-023")
async def test_exports_come_through_with_their_name(door: Any) -> None:
    csv = {"content-type": "text/csv; charset=utf-8", "content-disposition": 'attachment; filename="runs.csv"'}
    door.behind.reporting.answer("GET", "/runs/export.csv", b"a,b\r\n1,2\r\n", headers=csv)
    viewer = await door.program("viewer")
    answer = await viewer.get("/api/v1/reports/runs.csv", params={"process_id": ["a", "b"]})
    assert answer.content == b"a,b\r\n1,2\r\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="runs.csv"'
    assert door.behind.reporting.asked[-1].query == {"process_id": ["a", "b"]}
    assert (await viewer.get("/api/v1/reports/runs.json")).status_code == 404


@pytest.mark.req("NFR-014")
async def test_secret_of_a_connection_goes_in_as_sent(door: Any) -> None:
    """Left out, null and given are three things, and all three arrive."""
    door.behind.catalog.answer("PUT", "/connections/c", {"connection_id": "c"})
    body = {
        "connection_id": "c",
        "name": "C",
        "settings": {"kind": "http", "base_url": "https://example.com"},
        "secrets": {"token": "s3cret", "password": None},
    }
    await (await door.program("editor")).put("/api/v1/connections/c", json=body)
    assert door.behind.catalog.asked[-1].json == body


async def test_the_audit_log_names_a_process_that_was_made(door: Any) -> None:
    """Its id stands in a definition that the gateway does not read: the catalog's answer says what came of it."""
    made = {"location": "/processes/refund"}
    door.behind.catalog.answer("POST", "/processes", {"process_id": "refund"}, status=201, headers=made)
    admin = await door.program("admin")
    assert (await admin.post("/api/v1/processes", json={"process": "refund"})).status_code == 201
    (line,) = (await admin.get("/api/v1/audit", params={"action": "process."})).json()["items"]
    assert (line["action"], line["object"]) == ("process.create", "refund")
