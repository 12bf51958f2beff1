"""Runs from the API to their end, on both databases, with a worker at the message contract."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from steptrail_common.database import open_engine, writing
from steptrail_common.testing.worker import failed, passed, status_404
from steptrail_orchestrator.adapters.schema import attempts

FAST = {"retry": {"count": 2, "interval": "50ms", "backoff": "fixed"}}


def at_ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


@pytest.mark.req("FR-008")
async def test_a_run_walks_its_steps_in_order_to_success(bench: Any) -> None:
    """Each step is dispatched after the one before has passed; the log is numbered without gaps."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"}, {"id": "three"})
    view = await here.ended(await here.start_run())
    assert view["status"] == "success"
    assert [request.step_id for request in here.worker.requests] == ["one", "two", "three"]
    assert view["verdict"]["text"].startswith("All 3 steps passed in ")
    events = await here.events(view["run_id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == [
        "run.queued",
        "run.started",
        *(["step.started", "step.finished"] * 3),
        "run.finished",
    ]


@pytest.mark.req("FR-008")
async def test_after_a_failure_later_steps_are_skipped_with_the_reason(bench: Any) -> None:
    """The chain stops at the failed step; `always_run` steps still run; the sentence names what was found."""
    here = await bench()
    here.save(
        {"id": "page", "name": "Order is visible in the shop"}, {"id": "api"}, {"id": "unlock", "always_run": True}
    )
    here.worker.plan("page", status_404)
    view = await here.ended(await here.start_run("9999"))
    assert view["status"] == "failed"
    assert view["verdict"]["text"] == ("Failed at 1 “Order is visible in the shop”: HTTP status 404, expected 200.")
    page, api, unlock = view["steps"]
    assert (page["status"], page["failure_class"]) == ("failed", "assertion")
    assert page["first_aid"]
    assert (api["status"], api["reason"]) == ("skipped", "step 1 failed")
    assert unlock["status"] == "success"


@pytest.mark.req("FR-015")
async def test_trouble_is_retried_and_every_attempt_is_kept(bench: Any) -> None:
    """Two connection failures, then success: three attempts, one step result."""
    here = await bench()
    here.save({"id": "one", **FAST})
    here.worker.plan("one", lambda r: failed(r, "connect"), lambda r: failed(r, "timeout"), passed)
    view = await here.ended(await here.start_run())
    step = view["steps"][0]
    assert view["status"] == "success"
    assert [attempt["status"] for attempt in step["attempts"]] == ["failed", "failed", "passed"]
    assert [attempt["attempt"] for attempt in step["attempts"]] == [1, 2, 3]
    types = [event["type"] for event in await here.events(view["run_id"])]
    assert types.count("step.retrying") == 2


@pytest.mark.req("NFR-007")
async def test_retries_end_with_their_budget(bench: Any) -> None:
    """At most three attempts; a step that only ever timed out ends as `timeout`."""
    here = await bench()
    here.save({"id": "one", **FAST})
    here.worker.plan("one", lambda r: failed(r, "timeout"))
    view = await here.ended(await here.start_run())
    assert view["status"] == "timeout"
    assert len(here.worker.requests) == 3


async def test_a_retry_starts_when_it_is_due(bench: Any) -> None:
    """The ticker wakes for it: less than 100 ms late although it looks only once a minute by itself."""
    here = await bench(poll_seconds=60)
    here.save({"id": "one", "retry": {"count": 6, "interval": "300ms", "backoff": "fixed"}})
    here.worker.plan("one", *[lambda r: failed(r, "connect")] * 6, passed)
    view = await here.ended(await here.start_run())
    tried = view["steps"][0]["attempts"]
    gaps = [
        datetime.fromisoformat(later["dispatched_at"]) - datetime.fromisoformat(earlier["ended_at"])
        for earlier, later in pairwise(tried)
    ]
    assert min(gaps) >= timedelta(milliseconds=239)
    assert min(gaps) < timedelta(milliseconds=400)


async def test_wait_until_looks_again_until_the_state_is_there(bench: Any) -> None:
    """A missing state is polled for, visibly waiting, and does not use up the retries."""
    here = await bench()
    here.save(
        {"id": "file", "wait_until": {"interval": "50ms", "timeout": "5s"}, "retry": {"count": 0, "interval": "1s"}}
    )
    here.worker.plan("file", failed, failed, failed, passed)
    view = await here.ended(await here.start_run())
    assert view["status"] == "success"
    assert view["steps"][0]["attempt"] == 4
    types = [event["type"] for event in await here.events(view["run_id"])]
    assert types.count("step.waiting") == 3


async def test_an_expired_allowance_makes_the_run_stuck(bench: Any) -> None:
    """The allowance counts from a captured moment: the sentence says how long it waits and what was expected."""
    here = await bench()
    here.save(
        {"id": "api", "capture": {"placed_at": {"jsonpath": "$.placed_at", "type": "datetime"}}},
        {"id": "file", "name": "Invoice file reached the bank folder", "expect_within": "30m",
         "since": "${{ steps.api.placed_at }}"},
    )  # fmt: skip
    placed_at = at_ago(3 * 3600 + 12 * 60)
    here.worker.plan(
        "api", lambda r: passed(r, captures={"placed_at": placed_at}, capture_types={"placed_at": "datetime"})
    )
    here.worker.plan("file", lambda r: failed(r, "not_found"))
    view = await here.ended(await here.start_run())
    assert view["status"] == "stuck"
    assert view["steps"][1]["status"] == "overdue"
    assert view["verdict"]["text"] == (
        "Passed 1, stuck at 2 “Invoice file reached the bank folder”, waiting 3 h 12 m, expected within 30 min."
    )


async def test_within_its_allowance_a_missing_state_is_not_yet(bench: Any) -> None:
    """Neither failed nor passed: the run ends `not_yet` and says when it is due."""
    here = await bench()
    here.save({"id": "one"}, {"id": "file", "expect_within": "30m"})
    here.worker.plan("file", failed)
    view = await here.ended(await here.start_run())
    assert view["status"] == "not_yet"
    assert view["verdict"]["text"] == "Passed 1, not yet at 2 “Step file”, due in 30 min."


async def test_a_captured_value_feeds_later_steps(bench: Any) -> None:
    """Into an address it is percent-encoded; a parameter that is one reference keeps its type."""
    here = await bench()
    here.save(
        {"id": "api", "capture": {"invoice": {"jsonpath": "$.no"}, "total": {"jsonpath": "$.total"}}},
        {"id": "page", "check": {"type": "web_crawl", "url": "https://shop.test/i/${{ steps.api.invoice }}?x={{7*7}}"}},
        {"id": "row", "check": {"type": "db_query", "connection": "erp", "query": "select 1 where x = :t",
                                "params": {"t": "${{ steps.api.total }}"}}},
    )  # fmt: skip
    here.worker.plan("api", lambda r: passed(r, captures={"invoice": "a/b ü", "total": 12.5}))
    view = await here.ended(await here.start_run())
    assert view["status"] == "success", view["verdict"]
    page, row = here.worker.requests[1:]
    assert page.check.url == "https://shop.test/i/a%2Fb%20%C3%BC?x={{7*7}}"
    assert row.check.params == {"t": 12.5}


async def test_a_reference_to_a_step_that_did_not_run_skips_the_step(bench: Any) -> None:
    """The reason names the missing step; the run itself goes well."""
    here = await bench()
    here.save(
        {"id": "maybe", "if": "${{ inputs.order_id == '1234' }}", "capture": {"x": {"jsonpath": "$"}}},
        {"id": "use", "check": {"type": "web_crawl", "url": "https://shop.test/${{ steps.maybe.x }}"}},
        {"id": "last"},
    )
    view = await here.ended(await here.start_run("4711"))
    assert view["status"] == "success"
    assert [step["status"] for step in view["steps"]] == ["skipped", "skipped", "success"]
    assert view["steps"][1]["reason"] == "it needs step 1, which did not run"


async def test_an_expression_that_cannot_be_computed_is_an_error_of_ours(bench: Any) -> None:
    """The step ends without an attempt, names the expression, and the run does not hang."""
    here = await bench()
    here.save({"id": "one", "check": {"type": "web_crawl", "url": "https://shop.test/${{ inputs.nope }}"}})
    view = await here.ended(await here.start_run())
    step = view["steps"][0]
    assert (view["status"], step["status"], step["failure_class"]) == ("error", "error", "invalid_definition")
    assert "inputs has no nope" in step["message"]
    assert step["attempts"] == []


@pytest.mark.parametrize(("policy", "run", "step"), [("continue", "failed", "failed"), ("warn", "warning", "warning")])
async def test_on_failure_decides_whether_the_chain_goes_on(bench: Any, policy: str, run: str, step: str) -> None:
    """`continue` goes on and the run still fails; `warn` makes a warning of it."""
    here = await bench()
    here.save({"id": "one", "on_failure": policy}, {"id": "two"})
    here.worker.plan("one", failed)
    view = await here.ended(await here.start_run())
    assert (view["status"], view["steps"][0]["status"], view["steps"][1]["status"]) == (run, step, "success")


async def test_a_run_can_be_cancelled_without_a_worker(bench: Any) -> None:
    """No worker lives: cancelling still ends the run at once, and a late answer changes nothing."""
    here = await bench(with_worker=False)
    here.save({"id": "one"}, {"id": "two", "always_run": True})
    run_id = await here.start_run()
    answer = await here.http.post(f"/runs/{run_id}/cancel")
    assert answer.status_code == 202
    view = answer.json()
    assert view["status"] == "cancelled"
    assert view["verdict"]["text"] == "Cancelled at 1 “Step one” by anna."
    assert [step["status"] for step in view["steps"]] == ["cancelled", "skipped"]
    worker = await here.add_worker()
    view = await here.until(run_id, lambda view: view["steps"][0]["attempts"][0]["late"])
    assert view["status"] == "cancelled"
    assert {request.step_id for request in worker.requests} == {"one"}
    again = await here.http.post(f"/runs/{run_id}/cancel")
    assert again.status_code == 202


async def test_without_a_worker_the_run_waits_visibly_and_ends_at_the_pick_up_limit(bench: Any) -> None:
    """First it says that nobody listens; then the step is an error of ours."""
    here = await bench(with_worker=False, notice_seconds=0.1, pickup_seconds=3.0)
    here.save({"id": "one"})
    run_id = await here.start_run()
    view = await here.until(run_id, lambda view: view["steps"][0]["message"])
    assert view["steps"][0]["message"] == "no worker listens for api_call"
    assert view["verdict"]["text"] == "Checking 1 of 1 “Step one”: no worker listens for api_call yet."
    view = await here.ended(run_id)
    assert (view["status"], view["steps"][0]["failure_class"]) == ("error", "worker_lost")
    assert view["steps"][0]["message"] == "no worker listened for api_call within 3.0 s"


async def test_a_silent_worker_loses_its_attempt_and_another_gets_the_step(bench: Any) -> None:
    """After the lease the step is given out again; the answer of the first comes late and changes nothing."""
    here = await bench(lease_seconds=0.3)
    here.save({"id": "one"})
    here.worker.plan("one", lambda _: None, passed)
    view = await here.ended(await here.start_run())
    assert view["status"] == "success"
    assert [attempt["status"] for attempt in view["steps"][0]["attempts"]] == ["lost", "passed"]
    await here.worker.send(failed(here.worker.requests[0]))
    view = await here.until(view["run_id"], lambda view: view["steps"][0]["attempts"][0]["late"])
    assert view["status"] == "success"


async def test_a_run_ends_at_its_own_deadline(bench: Any) -> None:
    """A worker that beats but never answers cannot hold a run beyond its timeout."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"}, timeout="500ms")
    here.worker.plan("one", lambda _: None)
    view = await here.ended(await here.start_run())
    assert view["status"] == "timeout"
    assert [step["status"] for step in view["steps"]] == ["timeout", "skipped"]


async def test_a_lost_request_message_is_sent_again(bench: Any) -> None:
    """Every queue is deleted in mid-run: the same attempt with the same token is published again."""
    here = await bench(with_worker=False, republish_seconds=0.5)
    here.save({"id": "one"})
    run_id = await here.start_run()
    await here.until(run_id, lambda _: here.broker.depths().get("steptrail.step.api_call.v1") == 1)
    here.broker.remove("steptrail.step.api_call.v1")
    await here.add_worker()
    view = await here.ended(run_id)
    assert view["status"] == "success"
    assert len(view["steps"][0]["attempts"]) == 1


async def test_a_run_that_lost_its_attempt_is_found_and_moved_on(bench: Any) -> None:
    """A storage fault took the row of the open attempt: the scan for orphans gives the step out again."""
    later = {"notice_seconds": 60.0, "pickup_seconds": 90.0, "republish_seconds": 60.0}
    here = await bench(with_worker=False, orphan_scan_seconds=0.1, **later)
    here.save({"id": "one"})
    run_id = await here.start_run()
    engine = open_engine(here.store)
    async with writing(engine) as connection:
        await connection.execute(sa.delete(attempts).where(attempts.c.run_id == run_id))
    await engine.dispose()
    await here.add_worker()
    view = await here.ended(run_id, 20)
    assert (view["status"], view["steps"][0]["attempt"]) == ("success", 2)


@pytest.mark.req("FR-007")
async def test_a_failed_run_is_continued_from_its_failed_step(bench: Any) -> None:
    """The new run keeps captured values and earlier results, names its origin, and starts at the failed step."""
    here = await bench()
    here.save(
        {"id": "api", "capture": {"no": {"jsonpath": "$.no"}}},
        {"id": "page", "check": {"type": "web_crawl", "url": "https://shop.test/${{ steps.api.no }}"}},
    )
    here.worker.plan("api", lambda r: passed(r, captures={"no": "7"}))
    here.worker.plan("page", status_404, passed)
    first = await here.ended(await here.start_run())
    assert first["status"] == "failed"
    answer = await here.http.post("/runs", json={"process_id": "order-to-cash", "from_run": first["run_id"]})
    second = await here.ended(answer.json()["run_id"])
    assert (second["status"], second["trigger"], second["from_run"], second["from_step"]) == (
        "success", "recheck", first["run_id"], "page",
    )  # fmt: skip
    assert [request.step_id for request in here.worker.requests] == ["api", "page", "page"]
    assert second["steps"][0]["captures"] == {"no": "7"}
    assert second["key"] == "4711"
    assert (await here.view(first["run_id"]))["rechecked_by"] == [second["run_id"]]
