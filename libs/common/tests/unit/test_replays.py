"""A consumer asks for what it missed: at its start, and whenever its queue may have been lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from steptrail_common import replays
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Delivery, Subscription
from steptrail_common.contracts.replays import REPLAYS_QUEUE, ReplayRequest
from steptrail_common.errors import Unavailable
from steptrail_common.replays import MARGIN, ReplayAsker

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUEUE = "steptrail.reporting.v1"


@asynccontextmanager
async def asking(
    newest: Callable[[], Awaitable[datetime | None]],
) -> AsyncIterator[tuple[ReplayAsker, "asyncio.Queue[ReplayRequest]"]]:
    """An asker that runs, and what it asked for."""
    bus = InProcessBus(InProcessBroker())
    await bus.start()
    heard: asyncio.Queue[ReplayRequest] = asyncio.Queue()

    async def take(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            heard.put_nowait(ReplayRequest.model_validate_json(delivery.message.body))

    await bus.subscribe(Subscription(REPLAYS_QUEUE), take)
    asker = ReplayAsker(bus, QUEUE, newest, types=["run.finished"])
    await asker.start()
    task = asyncio.create_task(asker.run())
    try:
        async with asyncio.timeout(10):
            yield asker, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.close()


@pytest.mark.req("NFR-006")
async def test_it_asks_at_the_start_and_again_when_told() -> None:
    """From a while before what it knows; without anything known, for everything."""
    known: list[datetime | None] = [None, NOON]

    async def newest() -> datetime | None:
        return known.pop(0)

    async with asking(newest) as (asker, heard):
        first = await heard.get()
        assert (first.queue, first.since, first.types) == (QUEUE, None, ["run.finished"])
        asker.ask()
        assert (await heard.get()).since == NOON - MARGIN
        assert heard.empty()


async def test_it_asks_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away now is asked again."""
    monkeypatch.setattr(replays, "RETRY_SECONDS", 0.01)
    away = [True, True]

    async def newest() -> datetime | None:
        if away and away.pop():
            raise Unavailable("the database is away")
        return NOON

    async with asking(newest) as (_, heard):
        assert (await heard.get()).since == NOON - MARGIN


def test_only_our_own_queues_are_answered() -> None:
    """Nobody on the bus can have the history sent elsewhere."""
    with pytest.raises(ValueError, match="queue"):
        ReplayRequest.model_validate({"queue": "somebody.else"})
