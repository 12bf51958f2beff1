"""Limits on steps under way at once, over two replicas, counted where the work arrives."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from steptrail_common.contracts.workers import StepRequest
from steptrail_common.testing.worker import passed

Make = Callable[..., Awaitable[Any]]


def silent(request: StepRequest) -> None:
    """The test answers later."""


@pytest.mark.req("NFR-007")
async def test_no_more_steps_are_under_way_than_a_process_allows(bench: Make) -> None:
    """Ten runs of three steps under a limit of two: all end, and never were there more than two at the worker."""
    here = await bench(poll_seconds=0.1)
    other = await here.add_replica(poll_seconds=0.1)
    here.save({"id": "a"}, {"id": "b"}, {"id": "c"}, concurrency=2)
    for step_id in "abc":
        here.worker.plan(step_id, silent)
    body = {"process_id": "order-to-cash", "inputs": {"order_id": "4711"}}
    clients = [here.http, other] * 5
    begun = await asyncio.gather(*(client.post("/runs", json=body) for client in clients))
    assert {answer.status_code for answer in begun} == {202}
    most = 0
    answered: set[str] = set()

    def waiting() -> dict[str, StepRequest]:
        """A request can come twice: its token tells."""
        return {request.token: request for request in here.worker.requests if request.token not in answered}

    while len(answered) < 30:
        await here.eventually(lambda: bool(waiting()))
        await asyncio.sleep(0.01)
        most = max(most, len(waiting()))
        token, request = next(iter(waiting().items()))
        answered.add(token)
        await here.worker.send(passed(request))
    views = [await here.ended(answer.json()["run_id"]) for answer in begun]
    assert {view["status"] for view in views} == {"success"}
    assert most == 2
    assert [view for view in views if [step["attempt"] for step in view["steps"]] != [1, 1, 1]] == []


@pytest.mark.req("FR-007")
async def test_a_run_that_waits_for_its_turn_says_so_and_can_be_cancelled(bench: Make) -> None:
    """Visible in its sentence and its log; a cancelled one takes no place, a free place wakes the next."""
    here = await bench(poll_seconds=0.1)
    here.save({"id": "a"}, concurrency=1)
    here.worker.plan("a", silent, passed)
    first, second, third = [await here.start_run() for _ in range(3)]
    waiting = await here.until(second, lambda view: view["steps"][0]["reason"] == "waits_turn")
    assert waiting["verdict"]["text"].endswith("waits for its turn: steps of this process run one at once.")
    assert (waiting["status"], waiting["steps"][0]["attempts"]) == ("running", [])
    assert (await here.http.post(f"/runs/{second}/cancel")).status_code < 300
    await here.eventually(lambda: bool(here.worker.requests))
    await here.worker.send(passed(here.worker.requests[0]))
    assert (await here.ended(first))["status"] == "success"
    assert (await here.ended(third))["status"] == "success"
    cancelled = await here.view(second)
    assert (cancelled["status"], cancelled["steps"][0]["attempt"]) == ("cancelled", 0)
    told = [event["reason"] for event in await here.events(third) if event["type"] == "step.started"]
    assert told == ["waits_turn", None]
    assert [request.run_id for request in here.worker.requests] == [first, third]


@pytest.mark.req("FR-007", "NFR-008")
async def test_a_run_says_that_its_check_waits_for_others_of_its_target(bench: Make) -> None:
    """The worker says so with its lease, as long as it lasts and to any replica; the log has it once, and its end."""
    here = await bench(poll_seconds=0.1)
    await here.add_replica(poll_seconds=0.1)
    here.save({"id": "a"})
    here.worker.beat_on_start = False
    here.worker.plan("a", silent)
    run_id = await here.start_run()
    await here.eventually(lambda: bool(here.worker.requests))
    request = here.worker.requests[0]
    waits = "waits for other checks of shop.test:443: 10 under way"
    for _ in range(3):
        await here.worker.beat([request], waits)
    waiting = await here.until(run_id, lambda view: view["steps"][0]["reason"] == "waits_target")
    assert waiting["verdict"]["text"] == f"Checking 1 of 1 “Step a”: {waits}."
    for _ in range(3):
        await here.worker.beat([request], "")
    begun = await here.until(run_id, lambda view: view["steps"][0]["reason"] is None)
    assert begun["verdict"]["text"] == "Checking 1 of 1 “Step a”…"
    await here.worker.beat([request], waits)
    await here.worker.send(passed(request))
    assert (await here.ended(run_id))["status"] == "success"
    told = [event["reason"] for event in await here.events(run_id) if event["type"] == "step.started"]
    assert told == [None, "waits_target", None]


@pytest.mark.req("NFR-001")
async def test_a_lost_worker_gives_its_place_back(bench: Make) -> None:
    """The place goes with the lease: the next run starts, nothing waits for ever."""
    here = await bench(poll_seconds=0.1, lease_seconds=0.3, heartbeat_seconds=0.1)
    here.save({"id": "a", "retry": {"count": 0, "interval": "1s"}}, concurrency=1)
    here.worker.plan("a", silent, passed)
    lost = await here.start_run()
    await here.eventually(lambda: bool(here.worker.requests))
    follower = await here.start_run()
    ended = await here.ended(lost)
    assert (ended["status"], ended["failure_class"]) == ("error", "worker_lost")
    assert (await here.ended(follower))["status"] == "success"
