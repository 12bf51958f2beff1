"""The log of events is told again to a service of ours that may have lost some."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from steptrail_common.bus.inprocess import InProcessBus
from steptrail_common.bus.port import Delivery, Destination, Message, PublishFailed, Subscription
from steptrail_common.contracts.events import read_events
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.replays import REPLAYS_QUEUE, ReplayRequest
from steptrail_orchestrator.handlers import replaying

QUEUE = "steptrail.reporting.v1"


async def told_again(here: Any, count: int, **wanted: Any) -> list[tuple[str, int, str]]:
    """(run, number, type) of what comes to the queue when it asks, once there are so many."""
    heard: list[tuple[str, int, str]] = []

    async def take(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            heard.extend(
                (event.run_id, event.seq, event.type)
                for _, event in read_events(delivery.message.body)
                if isinstance(event, RunEvent)
            )

    bus = InProcessBus(here.broker)
    await bus.start()
    await bus.subscribe(Subscription(QUEUE), take)
    request = ReplayRequest.model_validate({"queue": QUEUE, **wanted})
    message = Message(request.model_dump_json().encode(), uuid4().hex)
    await bus.publish([(Destination(queue=REPLAYS_QUEUE), message)])
    async with asyncio.timeout(10):
        while len(heard) < count:  # noqa: ASYNC110 - told by the handler above
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    await bus.close()
    return heard


@pytest.mark.req("NFR-006")
async def test_every_event_is_told_again_as_it_was(bench: Any) -> None:
    """Of all runs, in their order; also only some types."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    run_ids = [(await here.ended(await here.start_run(key)))["run_id"] for key in ("4711", "4712")]
    logged = [(run_id, event["seq"], event["type"]) for run_id in run_ids for event in await here.events(run_id)]
    assert await told_again(here, len(logged)) == logged
    ends = await told_again(here, 2, types=["run.finished"])
    assert [(run_id, kind) for run_id, _, kind in ends] == [(run_id, "run.finished") for run_id in run_ids]


@pytest.mark.req("NFR-006")
async def test_what_ended_long_ago_is_not_told_but_what_is_open_is(bench: Any) -> None:
    """An open run may be older than any moment."""
    here = await bench()
    here.save({"id": "one"})
    await here.ended(await here.start_run("4711"))
    here.worker.plan("one", lambda request: None)
    still_open = await here.start_run("4712")
    await here.eventually(lambda: len(here.worker.requests) == 2)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    heard = await told_again(here, 3, since=later)
    assert {run_id for run_id, _, _ in heard} == {still_open}


async def test_a_request_that_is_none_is_parked(bench: Any) -> None:
    """Whatever else comes to the queue does no harm."""
    here = await bench()
    here.save({"id": "one"})
    bus = InProcessBus(here.broker)
    await bus.start()
    await bus.publish([(Destination(queue=REPLAYS_QUEUE), Message(b'{"queue": "elsewhere"}', uuid4().hex))])
    await bus.close()
    run = await here.ended(await here.start_run())
    assert len(await told_again(here, 5)) == len(await here.events(run["run_id"]))


@pytest.mark.req("NFR-006")
async def test_a_page_that_was_not_confirmed_goes_again_by_itself(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages before it are not told once more: a long log would flood the queue with each confirm that is lost."""
    here = await bench()
    here.save({"id": "one"})
    logged = await here.events((await here.ended(await here.start_run()))["run_id"])
    monkeypatch.setattr(replaying, "PAGE_EVENTS", 1)
    publish, pages = InProcessBus.publish, 0

    async def losing(bus: InProcessBus, messages: Sequence[tuple[Destination, Message]]) -> None:
        nonlocal pages
        await publish(bus, messages)
        if any(destination.queue == QUEUE for destination, _ in messages):
            pages += 1
            if pages % 2:
                raise PublishFailed("the confirm was lost")

    monkeypatch.setattr(InProcessBus, "publish", losing)
    heard = await told_again(here, 2 * len(logged))
    assert [number for _, number, _ in heard] == [event["seq"] for event in logged for _ in range(2)]
