"""The internal API: what it refuses, repeats, lists and shows."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from steptrail_common.bus.inprocess import InProcessBus
from steptrail_common.bus.port import Destination, Message, Subscription
from steptrail_common.contracts.events import read_events
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.workers import RESULTS_QUEUE, Evidence, Finding
from steptrail_common.evidence import EvidenceStore
from steptrail_common.testing.replay import disagreements, replay
from steptrail_common.testing.worker import failed, passed

BODY = {"process_id": "order-to-cash", "inputs": {"order_id": "4711"}}


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"inputs": {"order_id": "12"}}, "body.inputs.order_id"),
        ({"inputs": {}}, "body.inputs.order_id"),
        ({"inputs": {"order_id": "4711", "x": 1}}, "body.inputs.x"),
        ({"inputs": {"order_id": "4711"}, "colour": "red"}, "body.colour"),
        ({"inputs": {"order_id": "4711"}, "from_step": "one"}, "body.from_step"),
        ({"from_run": "nope"}, "body.from_run"),
    ],
)
async def test_a_wrong_request_names_its_field(bench: Any, body: dict[str, Any], path: str) -> None:
    """422 with the path of the field; no run was begun."""
    here = await bench(with_worker=False)
    here.save({"id": "one"})
    answer = await here.http.post("/runs", json={"process_id": "order-to-cash", **body})
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert (await here.http.get("/runs")).json()["items"] == []


async def test_unknown_and_switched_off_processes_are_refused(bench: Any) -> None:
    """404 and 409, in words."""
    here = await bench(with_worker=False)
    assert (await here.http.post("/runs", json=BODY)).status_code == 404
    here.save({"id": "one"}, active=False)
    await asyncio.sleep(0)
    answer = await here.http.post("/runs", json=BODY)
    assert answer.status_code == 409
    assert "switched off" in answer.json()["detail"]


async def test_a_key_repeats_its_run_and_refuses_another_body(bench: Any) -> None:
    """Same key and body: the same run. Same key, other body: 422. Another actor's key is another key."""
    here = await bench(with_worker=False)
    here.save({"id": "one"})
    headers = {"Idempotency-Key": "k1"}
    first = await here.http.post("/runs", json=BODY, headers=headers)
    again = await here.http.post("/runs", json=BODY, headers=headers)
    assert (again.status_code, again.json()["run_id"]) == (202, first.json()["run_id"])
    assert first.headers["location"] == f"/runs/{first.json()['run_id']}"
    other = await here.http.post("/runs", json={**BODY, "inputs": {"order_id": "4712"}}, headers=headers)
    assert (other.status_code, other.json()["errors"][0]["path"]) == (422, "header.Idempotency-Key")
    ben = await here.http.post("/runs", json=BODY, headers={**headers, "X-Steptrail-Actor": "ben"})
    assert ben.json()["run_id"] != first.json()["run_id"]


async def test_a_saved_process_is_used_by_the_next_run(bench: Any) -> None:
    """The catalog is asked again after its event; a thousand starts in between ask it once."""
    here = await bench()
    here.save({"id": "one"})
    for _ in range(5):
        await here.start_run()
    assert here.catalog.asked == 1
    here.save({"id": "one"}, {"id": "two"})
    bus = InProcessBus(here.broker)
    await bus.start()
    await bus.publish([(Destination(topic="process.saved.order-to-cash"), Message(b"{}", dedup_id="x"))])
    await asyncio.sleep(0.05)
    view = await here.ended(await here.start_run())
    assert (view["revision"], len(view["steps"])) == (2, 2)
    await bus.close()


async def test_while_the_catalog_is_away_known_processes_still_run(bench: Any) -> None:
    """What was read lately stands in; an unknown process is 503, not a wrong answer."""
    here = await bench()
    here.save({"id": "one"})
    await here.start_run()
    here.catalog.away = True
    await asyncio.sleep(1.1)
    assert (await here.ended(await here.start_run()))["status"] == "success"
    answer = await here.http.post("/runs", json={"process_id": "other", "inputs": {}})
    assert answer.status_code == 503


async def test_the_list_is_filtered_and_paged_by_signed_cursors(bench: Any) -> None:
    """Newest first, without holes or repeats over pages; a cursor changed by hand is refused."""
    here = await bench()
    here.save({"id": "one"})
    here.worker.plan("one", lambda r: passed(r))
    ids = [await here.start_run(order) for order in ("1001", "1002", "1003", "1004", "1005")]
    for run_id in ids:
        await here.ended(run_id)
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await here.http.get("/runs", params=params)).json()
        seen += [item["run_id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == list(reversed(ids))
    one = (await here.http.get("/runs", params={"key": "1003", "status": ["success", "failed"]})).json()["items"]
    assert [item["run_id"] for item in one] == [ids[2]]
    for wrong in ({"cursor": "abc"}, {"limit": 0}, {"limit": 10**9}, {"sort": "x"}, {"status": "green"}):
        assert (await here.http.get("/runs", params=wrong)).status_code == 422


@pytest.mark.parametrize("run_id", ["0", "-1", str(2**63), "{0}", "ünknown", "a" * 300, "%00"])
async def test_an_id_that_is_not_ours_is_unknown(bench: Any, run_id: str) -> None:
    """404 for every form, never an error of ours."""
    here = await bench(with_worker=False)
    for path in ("", "/events", "/diff", "/evidence/x"):
        assert (await here.http.get(f"/runs/{run_id}{path}")).status_code == 404
    assert (await here.http.post(f"/runs/{run_id}/cancel")).status_code == 404


async def test_the_log_of_all_runs_can_be_resumed(bench: Any) -> None:
    """Pages by position; together with the run's own log it agrees with what is shown."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    ids = [await here.start_run() for _ in range(2)]
    views = [await here.ended(run_id) for run_id in ids]
    entries, after = [], "0"
    while True:
        page = (await here.http.get("/events", params={"after": after, "limit": 4})).json()
        entries += page["items"]
        if (after := page["next_cursor"]) is None:
            break
    assert len(entries) == sum(view["last_seq"] for view in views)
    for view in views:
        told = [RunEvent.model_validate(e["event"]) for e in entries if e["event"]["run_id"] == view["run_id"]]
        assert disagreements(replay(told), view) == []


@pytest.mark.req("IR-9")
async def test_every_event_goes_to_the_exchange_as_a_cloudevent(bench: Any) -> None:
    """Routed by type and process, with a stable id and its global position; what is sent is what is logged."""
    here = await bench()
    heard: list[Any] = []
    bus = InProcessBus(here.broker)
    await bus.start()

    async def listen(deliveries: Any) -> None:
        heard.extend(deliveries)

    await bus.subscribe(Subscription(queue="listener", patterns=("run.#", "step.#"), shared=False), listen)
    here.save({"id": "one"})
    run_id = await here.start_run()
    await here.ended(run_id)
    logged = await here.events(run_id)
    await here.eventually(lambda: len(heard) >= len(logged))
    # At least once: after a pause of the whole machine the table may tell again what left from memory.
    heard = list({delivery.message.dedup_id: delivery for delivery in reversed(heard)}.values())[::-1]
    told = [read_events(delivery.message.body)[0] for delivery in heard]
    assert [event for _, event in told] == [RunEvent.model_validate(event) for event in logged]
    assert heard[0].routing_key == "run.queued.order-to-cash"
    assert {envelope.subject for envelope, _ in told} == {"order-to-cash"}
    assert [delivery.message.dedup_id for delivery in heard] == [envelope.id for envelope, _ in told]
    positions = [int(delivery.message.headers["position"]) for delivery in heard]
    assert positions == sorted(set(positions))
    await bus.close()


@pytest.mark.req("NFR-009")
async def test_evidence_is_served_only_if_it_is_what_was_stored(bench: Any) -> None:
    """Verified by its hash; after a change of the stored bytes nothing is shown."""
    here = await bench()
    store = EvidenceStore(str(here.folder / "evidence"))
    address, sha256, size = await store.put("r", "page", b"<p>hello</p>", "text/html")
    piece = Evidence(
        evidence_id="e1", kind="page", title="Page", media_type="text/html", size_bytes=size, sha256=sha256,
        address=address,
    )  # fmt: skip
    here.save({"id": "one"})
    here.worker.plan("one", lambda r: passed(r, evidence=[piece]))
    view = await here.ended(await here.start_run())
    assert view["steps"][0]["evidence"][0]["evidence_id"] == "e1"
    answer = await here.http.get(f"/runs/{view['run_id']}/evidence/e1")
    assert (answer.content, answer.headers["content-disposition"][:10]) == (b"<p>hello</p>", "attachment")
    (here.folder / "evidence" / address).write_bytes(b"<p>other</p>")
    damaged = await here.http.get(f"/runs/{view['run_id']}/evidence/e1")
    assert (damaged.status_code, damaged.json()["type"]) == (500, "/problems/evidence-damaged")


@pytest.mark.req("FR-020")
async def test_a_failed_run_is_compared_with_the_last_good_one(bench: Any) -> None:
    """Status, captures and lasting findings that changed; expected durations come from good runs."""

    def age(value: int) -> Finding:
        return Finding(label="Age", value=value, fleeting=True)

    here = await bench()
    here.save({"id": "one", "capture": {"no": {"jsonpath": "$.no"}}})
    here.worker.plan(
        "one",
        lambda r: passed(
            r, captures={"no": 1}, findings=[Finding(label="Rows", value=1), age(3)], duration_seconds=0.25
        ),
        lambda r: failed(r, captures={"no": 2}, findings=[Finding(label="Rows", value=0), age(4)]),
    )
    good = await here.ended(await here.start_run())
    bad = await here.ended(await here.start_run())
    assert (bad["last_good_run"], bad["last_good_of"]) == (good["run_id"], "key")
    assert bad["steps"][0]["expected_duration_seconds"] == 0.25
    diff = (await here.http.get(f"/runs/{bad['run_id']}/diff", params={"against": "last_success"})).json()
    assert diff["against_run_id"] == good["run_id"]
    step = diff["steps"][0]
    assert (step["status"], step["before_status"]) == ("failed", "success")
    assert {change["path"]: (change["before"], change["after"]) for change in step["changes"]} == {
        "captures.no": (1, 2),
        "findings.Rows": (1, 0),
    }
    none = (await here.http.get(f"/runs/{good['run_id']}/diff")).json()
    assert (none["against_run_id"], none["steps"]) == (None, [])


@pytest.mark.req("FR-008")
async def test_from_five_good_runs_on_a_run_says_from_when_it_is_slow(bench: Any) -> None:
    """Median and spread of the good runs; one that failed does not count."""
    here = await bench()
    here.save({"id": "one"})
    seconds = [0.2, 0.2, 0.3, 0.2, 0.2]
    answers = [
        *(partial(passed, duration_seconds=took) for took in seconds),
        partial(failed, duration_seconds=9.0),
        passed,
    ]
    order: dict[str, int] = {}
    # By run: on a slow machine a request may be sent twice.
    here.worker.plan("one", lambda r: answers[order.setdefault(r.run_id, len(order))](r))
    for _ in seconds:
        await here.ended(await here.start_run())
    await here.ended(await here.start_run())
    view = await here.ended(await here.start_run())
    step = view["steps"][0]
    assert (step["expected_duration_seconds"], step["slow_after_seconds"]) == (0.2, pytest.approx(0.3))
    assert view["slow_after_seconds"] > view["expected_duration_seconds"]


@pytest.mark.req("FR-017")
async def test_processes_say_from_when_a_run_of_theirs_is_slow(bench: Any) -> None:
    """The first of those under way counts; processes without any, or without history, are left out."""
    here = await bench()
    here.save({"id": "one"})
    asked = {"process_id": ["order-to-cash", "other"]}
    for _ in range(5):
        await here.ended(await here.start_run())
    assert (await here.http.get("/slow", params=asked)).json() == []
    here.worker.plan("one", lambda request: None, lambda request: None)
    first = await here.start_run()
    view = await here.until(first, lambda run: run["started_at"] is not None)
    await here.until(await here.start_run(), lambda run: run["started_at"] is not None)
    [told] = (await here.http.get("/slow", params=asked)).json()
    expected = datetime.fromisoformat(view["started_at"]) + timedelta(seconds=view["slow_after_seconds"])
    assert told == {"process_id": "order-to-cash", "slow_at": told["slow_at"]}
    assert datetime.fromisoformat(told["slow_at"]) == expected


@pytest.mark.req("FR-020")
async def test_the_good_run_to_compare_with_is_one_of_the_same_key_if_there_is_one(bench: Any) -> None:
    """Of two good runs the older one counts for its own key; another key gets the newest of any."""
    here = await bench()
    here.save({"id": "one"})
    same_key = await here.ended(await here.start_run("4711"))
    newest = await here.ended(await here.start_run("4712"))
    of_key = await here.ended(await here.start_run("4711"))
    of_process = await here.ended(await here.start_run("4713"))
    assert (of_key["last_good_run"], of_key["last_good_of"]) == (same_key["run_id"], "key")
    assert of_process["last_good_of"] == "process"
    assert (newest["last_good_run"], newest["last_good_of"]) == (same_key["run_id"], "process")


async def test_a_step_of_a_draft_can_be_tried(bench: Any) -> None:
    """A worker runs it once, with given captures, and nothing is recorded."""
    here = await bench()
    document = here_document = {
        "version": 1, "process": "draft", "name": "Draft", "inputs": {"order_id": {"type": "string"}},
        "steps": [
            {"id": "api", "name": "a", "check": {"type": "api_call", "url": "https://x.test"},
             "capture": {"no": {"jsonpath": "$.no"}}},
            {"id": "page", "name": "b", "check": {"type": "web_crawl", "url": "https://x.test/${{ steps.api.no }}"}},
        ],
    }  # fmt: skip
    body = {"definition": document, "step_id": "page", "inputs": {"order_id": "1"}, "captures": {"api": {"no": 5}}}
    answer = await here.http.post("/steps/try", json=body)
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert here.worker.probes[0].request.check.url == "https://x.test/5"
    assert (await here.http.get("/runs")).json()["items"] == []
    missing = await here.http.post("/steps/try", json={**body, "captures": {}})
    assert (missing.status_code, missing.json()["errors"][0]["path"]) == (422, "body.captures.api")
    unknown = await here.http.post("/steps/try", json={**body, "definition": here_document, "step_id": "nope"})
    assert unknown.json()["errors"][0]["path"] == "body.step_id"


async def test_a_connection_is_tried_by_a_worker(bench: Any) -> None:
    """What its account may do is kept in the catalog; without a worker the answer says which one is missing."""
    here = await bench(with_worker=False)
    answer = await here.http.post("/connections/shop/test")
    assert answer.status_code == 503
    assert "no worker listens for api_call" in answer.json()["detail"]
    await here.add_worker()
    answer = await here.http.post("/connections/shop/test")
    assert (answer.status_code, answer.json()["rights"]["level"]) == (200, "read_only")
    assert here.catalog.rights[0]["checked_at"] is not None


async def test_workers_and_queues_tell_who_listens(bench: Any) -> None:
    """A check type without a living worker shows 0 workers."""
    here = await bench(with_worker=False, worker_live_seconds=2.0)
    await here.add_worker(check_types=("api_call",))
    workers = (await here.http.get("/workers")).json()
    assert [(worker["worker_id"], worker["alive"]) for worker in workers] == [("worker-1", True)]
    queues = {queue["check_type"]: queue["workers"] for queue in (await here.http.get("/queues")).json()}
    assert queues == {"web_crawl": 0, "web_crawl_rendered": 0, "api_call": 1, "db_query": 0, "file_check": 0}
    await asyncio.sleep(2.1)
    assert [worker["alive"] for worker in (await here.http.get("/workers")).json()] == [False]


async def test_queues_tell_when_a_result_last_came(bench: Any) -> None:
    """Also when long looks of another kind have filled the log since."""
    here = await bench()
    file = {"type": "file_check", "url": "https://example.com/a.csv"}
    here.save({"id": "one"}, {"id": "file", "check": file, "wait_until": {"interval": "10ms", "timeout": "400ms"}})
    here.worker.plan("file", partial(failed, failure_class="not_found"))
    view = await here.ended(await here.start_run())
    queues = {queue["check_type"]: queue["last_result_at"] for queue in (await here.http.get("/queues")).json()}
    assert queues["api_call"] == view["steps"][0]["attempts"][-1]["ended_at"]
    assert queues["file_check"] > queues["api_call"]
    assert queues["db_query"] is None


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"version": 9, "items": []}', b'{"items": [{"run_id": 1}]}']
)
async def test_a_message_that_cannot_be_read_is_parked_and_harms_no_other(bench: Any, body: bytes) -> None:
    """It stands in the dead letters once; a good answer in the same batch still counts."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    run_id = await here.start_run()
    bus = InProcessBus(here.broker)
    await bus.start()
    await bus.publish([(Destination(queue=RESULTS_QUEUE), Message(body, dedup_id="poison"))])
    assert (await here.ended(run_id))["status"] == "success"
    await here.eventually(lambda: here.broker.depths().get(f"{RESULTS_QUEUE}.dead", 0) == 1)
    await bus.close()


async def test_an_answer_for_a_run_nobody_knows_changes_nothing(bench: Any) -> None:
    """It is taken, counted and forgotten."""
    here = await bench()
    here.save({"id": "one"})
    view = await here.ended(await here.start_run())
    stray = passed(here.worker.requests[0]).model_copy(update={"run_id": "no-such-run"})
    other_step = passed(here.worker.requests[0]).model_copy(update={"step_id": "nope", "attempt": 7})
    await here.worker.send(stray, other_step)
    await asyncio.sleep(0.2)
    assert await here.view(view["run_id"]) == view
    assert here.broker.depths()[RESULTS_QUEUE] == 0


@pytest.mark.parametrize("store_address", ["postgresql"], indirect=True)
@pytest.mark.req("NFR-015")
async def test_two_replicas_share_the_work(bench: Any) -> None:
    """Runs started on both end well, each with a complete history, although every result may reach either."""
    here = await bench(orphan_scan_seconds=0.2)
    second = await here.add_replica(orphan_scan_seconds=0.2)
    here.save(*({"id": f"s{number}"} for number in range(5)))
    clients = [here.http, second] * 6
    answers = await asyncio.gather(*(client.post("/runs", json=BODY) for client in clients))
    for answer in answers:
        view = await here.ended(answer.json()["run_id"], 20)
        assert view["status"] == "success"
        events = [RunEvent.model_validate(event) for event in await here.events(view["run_id"])]
        assert disagreements(replay(events), view) == []
    assert len(here.worker.requests) == 60


async def test_every_route_needs_the_service_token(bench: Any) -> None:
    """Without it nothing is told, not even which routes there are."""
    here = await bench(with_worker=False)
    transport = here.http._transport
    async with httpx2.AsyncClient(transport=transport, base_url="http://orchestrator.test") as stranger:
        for path in ("/runs", "/runs/x", "/events", "/workers", "/queues", "/nope"):
            assert (await stranger.get(path)).status_code == 401
        assert (await stranger.get("/readyz")).status_code == 200
