"""The main job over the API: pick a process, start a check, see where the order is."""

import csv
import hashlib
import io
import threading

import pytest

from .product import Product, eventually, statuses, step

PROCESS = "order-to-cash-demo"


@pytest.mark.req("FR-001")
def test_the_demo_processes_are_listed(product: Product) -> None:
    """A new installation shows its demo processes with state and facets."""
    with product.client() as client:
        rows = {row["process_id"]: row for row in client.get("/processes").json()["items"]}
    assert {PROCESS, "shop-health-demo", "stock-export-demo"} <= rows.keys()
    assert rows[PROCESS]["step_count"] == 7
    assert rows[PROCESS]["category"] == "sales"


@pytest.mark.req("FR-008")
@pytest.mark.req("FR-020")
def test_order_4711_is_stuck_at_the_invoice_file(product: Product) -> None:
    """Expected and actual are shown, and for how long it has been waiting."""
    run = product.check(PROCESS, "4711")
    assert run["status"] == "stuck"
    assert statuses(run) == {
        "shop_page": "success",
        "order_api": "success",
        "payment": "success",
        "invoice_row": "success",
        "invoice_file": "overdue",
        "bank_confirmed": "skipped",
        "release": "success",
    }
    stuck = step(run, "invoice_file")
    count = next(outcome for outcome in stuck["assertions"] if outcome["label"] == "count")
    assert (count["expected"], count["actual"], count["met"]) == (1, 0, False)
    assert stuck["attempt"] > 1, "wait_until looked more than once"
    assert "stuck at 5" in run["verdict"]["text"]
    assert "waiting 3 h" in run["verdict"]["text"]
    assert "expected within 30 min" in run["verdict"]["text"]
    assert "5" in step(run, "bank_confirmed")["reason"]


@pytest.mark.req("FR-008")
def test_order_4712_passes_every_step(product: Product) -> None:
    """Captured values feed later steps: the invoice number of the row names the file."""
    run = product.check(PROCESS, "4712")
    assert run["status"] == "success", run["verdict"]["text"]
    assert set(statuses(run).values()) == {"success"}
    assert step(run, "invoice_row")["captures"]["invoice"] == "R-20932"
    assert step(run, "invoice_file")["target"].endswith("R-20932.xml")
    assert (run["steps_done"], run["steps_planned"]) == (7, 7)


def test_order_4713_is_not_yet_due(product: Product) -> None:
    """Within its allowance a missing state is neither success nor failure."""
    run = product.check(PROCESS, "4713")
    assert run["status"] == "not_yet"
    assert step(run, "invoice_file")["status"] == "not_yet"


@pytest.mark.req("FR-020")
def test_order_9999_fails_clearly_at_step_1(product: Product) -> None:
    """The failing page is named with the status that was expected and the one that came."""
    run = product.check(PROCESS, "9999")
    assert run["status"] == "failed"
    first = step(run, "shop_page")
    assert first["status"] == "failed"
    assert first["failure_class"] in ("http_status", "assertion")
    assert "404" in first["message"]
    assert {s["status"] for s in run["steps"][1:-1]} == {"skipped"}
    assert all(s["reason"] for s in run["steps"][1:-1])
    assert step(run, "release")["status"] == "success", "always_run steps still run"


@pytest.mark.req("FR-015")
def test_a_flaky_target_is_tried_again(product: Product) -> None:
    """Order 4715 answers 503 twice before it answers: the third attempt passes, all attempts are kept."""
    run = product.check(PROCESS, "4715")
    assert run["status"] == "success", run["verdict"]["text"]
    assert [a["status"] for a in step(run, "order_api")["attempts"]] == ["failed", "failed", "passed"]


@pytest.mark.req("FR-009")
@pytest.mark.req("FR-010")
def test_every_transition_reaches_a_watcher_in_order(product: Product) -> None:
    """A watcher at one gateway sees the run that was started at another, numbered without gaps."""
    got: list[dict[str, object]] = []
    ready, done = threading.Event(), threading.Event()

    def watch() -> None:
        with product.stream(gateway=-1, process_id=PROCESS) as stream:
            ready.set()
            for _, name, data in stream:
                assert name == data["type"]
                got.append(data)
                if name == "run.finished" and data.get("key") == "4712":
                    break
        done.set()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    assert ready.wait(10)
    run_id = product.start(PROCESS, "4712")
    product.wait(run_id)
    assert done.wait(15), got
    mine = [event for event in got if event["run_id"] == run_id]
    assert sorted(event["seq"] for event in mine) == list(range(1, len(mine) + 1))
    assert mine[-1]["type"] == "run.finished"


def test_a_watcher_who_was_away_gets_what_it_missed(product: Product) -> None:
    """`Last-Event-ID` resumes without holes."""
    with product.stream(process_id=PROCESS) as stream:
        run_id = product.start(PROCESS, "4712")
        cursor, _, first = next(message for message in stream if message[2].get("run_id") == run_id)
    run = product.wait(run_id)
    seen = {first["seq"]}
    with product.stream(process_id=PROCESS, last_event_id=cursor) as stream:
        for _, _, data in stream:
            if data.get("run_id") == run_id:
                seen.add(data["seq"])
            if len(seen) == run["last_seq"]:
                break
    assert seen == set(range(1, run["last_seq"] + 1))


@pytest.mark.req("NFR-009")
def test_evidence_is_there_and_verified_by_its_hash(product: Product) -> None:
    """Page, response, rows and listing of a run can be fetched; masked columns stay masked."""
    run = product.check(PROCESS, "4712")
    kinds = {}
    with product.client() as client:
        for found in run["steps"]:
            for evidence in found["evidence"]:
                answer = client.get(f"/runs/{run['run_id']}/evidence/{evidence['evidence_id']}")
                assert answer.status_code == 200
                assert hashlib.sha256(answer.content).hexdigest() == evidence["sha256"]
                assert "attachment" in answer.headers["content-disposition"]
                assert "sandbox" in answer.headers["content-security-policy"]
                kinds[evidence["kind"]] = answer.content
    assert {"page", "request", "response", "rows", "listing"} <= kinds.keys()
    assert b"DE02120300000000202051" not in kinds["rows"]
    assert b"demo-shop-key" not in b"".join(kinds.values())


@pytest.mark.req("FR-007")
def test_a_failed_run_continues_from_its_failed_step(product: Product) -> None:
    """The new run is linked, keeps captured values and does not repeat what passed."""
    stuck = product.check(PROCESS, "4711")
    with product.client() as client:
        answer = client.post("/runs", json={"process_id": PROCESS, "from_run": stuck["run_id"]})
    assert answer.status_code == 202, answer.text
    again = product.wait(answer.json()["run_id"])
    assert again["from_run"] == stuck["run_id"]
    assert again["from_step"] == "invoice_file"
    assert again["key"] == "4711"
    assert again["status"] == "stuck"
    assert step(again, "invoice_row")["captures"]["invoice"] == "R-20931"


def test_the_same_idempotency_key_is_the_same_run(product: Product) -> None:
    """A client that repeats a request after a lost answer starts nothing twice; another body is refused."""
    body = {"process_id": "shop-health-demo", "inputs": {}}
    with product.client() as client:
        headers = {"Idempotency-Key": "press-once"}
        first, second = (client.post("/runs", json=body, headers=headers).json()["run_id"] for _ in range(2))
        other = client.post("/runs", json={"process_id": PROCESS, "inputs": {"order_id": "4712"}}, headers=headers)
    assert first == second
    assert other.status_code == 422


@pytest.mark.req("FR-019")
@pytest.mark.req("FR-023")
def test_history_lists_the_run_and_exports_agree(product: Product) -> None:
    """The list, the CSV and the JSON export hold the same run with the same status."""
    run = product.check(PROCESS, "4712")
    run_id = run["run_id"]
    with product.client() as client:
        listed = client.get("/runs", params={"process_id": PROCESS, "key": "4712"}).json()["items"]
        assert run_id in [item["run_id"] for item in listed]
        told = eventually(
            lambda: [
                one
                for one in client.get("/reports/runs.json").json()["items"]
                if one["run_id"] == run_id
                and one["status"] != "running"  # history follows within a quarter of a second
            ]
        )
        rows = list(csv.DictReader(io.StringIO(client.get("/reports/runs.csv").text.lstrip("\ufeff"))))
        figures = client.get(f"/metrics/processes/{PROCESS}").json()
        grid = client.get(f"/metrics/processes/{PROCESS}/grid").json()
    row = next(row for row in rows if row["run_id"] == run_id)
    assert row["status"] == told[0]["status"] == "success"
    assert figures["runs"] >= 1
    assert figures["p50_seconds"] > 0
    column = next(column for column in grid if column["run_id"] == run_id)
    assert column["steps"]["invoice_file"] == "success"


@pytest.mark.req("IR-8")
def test_a_signed_webhook_tells_the_end_of_a_run(product: Product, webhook_sink) -> None:  # type: ignore[no-untyped-def]
    """The message carries a stable id and a signature that the standard library of webhooks verifies."""
    from standardwebhooks.webhooks import Webhook

    with product.client() as client:
        channel = {"channel_id": "sink", "name": "Test sink", "url": webhook_sink.url}
        made = client.post("/channels", json=channel)
        assert made.status_code == 201, made.text
        rule = {"rule_id": "all-ends", "channel_id": "sink", "process_id": "shop-health-demo", "on": ["finished"]}
        assert client.post("/rules", json=rule).status_code == 201
        run = product.check("shop-health-demo")
        got = eventually(lambda: [hit for hit in webhook_sink.hits if run["run_id"] in hit.body], 60)
        event = Webhook(made.json()["signing_key"]).verify(got[0].body, got[0].headers)
        assert event["data"]["status"] == run["status"]
        assert event["type"] == "io.steptrail.run.finished.v1"
        log = eventually(lambda: [d for d in client.get("/deliveries").json()["items"] if d["run_id"] == run["run_id"]])
        assert eventually(lambda: client.get("/deliveries").json()["items"][0]["status"] == "delivered"), log
        assert made.json()["signing_key"] not in client.get("/channels").text


@pytest.mark.req("FR-005")
def test_a_step_can_be_tried_without_a_run(product: Product) -> None:
    """`POST /steps/try` gives the real answer of one step of a draft."""
    with product.client() as client:
        document = client.get(f"/processes/{PROCESS}").json()["document"]
        body = {"definition": document, "step_id": "order_api", "inputs": {"order_id": "4712"}}
        answer = client.post("/steps/try", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["ok"] is True
    assert "placed_at" in answer.json()["captures"]


@pytest.mark.req("FR-012")
def test_a_connection_is_tested_and_its_rights_are_shown(product: Product) -> None:
    """A worker tries the connection; the secret never comes back."""
    with product.client() as client:
        answer = client.post("/connections/demo-erp/test")
        assert answer.status_code == 200, answer.text
        assert answer.json()["ok"] is True
        assert answer.json()["rights"]["level"] == "read_only"
        service = client.get("/connections/demo-order-service").json()
    assert service["secrets"]["api_key"]["set"] is True
    assert "demo-shop-key" not in str(service)


def test_a_run_can_be_cancelled(product: Product) -> None:
    """Order 4714's page is slow: cancelled in the middle, no new step starts."""
    run_id = product.start(PROCESS, "4714")
    with product.client() as client:
        eventually(lambda: client.get(f"/runs/{run_id}").json()["status"] == "running")
        assert client.post(f"/runs/{run_id}/cancel").status_code == 202
    run = product.wait(run_id)
    assert run["status"] == "cancelled"
    assert "success" not in list(statuses(run).values())[1:]
