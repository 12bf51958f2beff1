"""What becomes of a message on its way to RabbitMQ, seen from the inside; the contract suite asks a real broker."""

import asyncio
from typing import Any

import pytest
from steptrail_common.bus.rabbitmq import _results


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def given_up() -> None:
    """As the client does to what waits for a confirm when its channel closes."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


async def refused() -> None:
    raise ConnectionError("closed")


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize(("sending", "outcome"), [(given_up, asyncio.CancelledError), (refused, ConnectionError)])
async def test_a_lost_channel_is_an_outcome_and_stops_nobody(sending: Any, outcome: type[Any], others: int) -> None:
    """One message alone is told the same as one of several: its fate is unknown, and who sent it goes on."""
    results = await _results([sending() for _ in range(1 + others)])
    assert [type(result) for result in results] == [outcome] * (1 + others)


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("others", [0, 1])
async def test_who_is_told_to_stop_stops(others: int) -> None:
    """Being stopped is not an outcome of the message."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await _results([never() for _ in range(1 + others)])
