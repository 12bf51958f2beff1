"""Of many that could handle a message, one is woken."""

import asyncio
from collections.abc import Callable

import pytest
from steptrail_common.bus.dispatch import Arrival, Dispatcher, Outcome
from steptrail_common.bus.port import Delivery, Message, Subscription


def arrival(number: int) -> Arrival:
    return Arrival(Delivery(Message(b"", f"m{number}"), "orders"), 0, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - turns of the loop are what is counted
            await asyncio.sleep(0)


@pytest.mark.req("NFR-001")
async def test_a_message_wakes_one_of_many_that_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred that wake for each message cost more than to handle it."""
    slept = 0
    something = Dispatcher._something

    async def counted(dispatcher: Dispatcher) -> None:
        nonlocal slept
        slept += 1
        await something(dispatcher)

    monkeypatch.setattr(Dispatcher, "_something", counted)
    handled: list[str] = []

    async def handle(deliveries: object) -> None:
        await asyncio.sleep(0)
        handled.extend(one.message.dedup_id for one in deliveries)  # type: ignore[attr-defined]

    async def settle(_arrivals: object, _outcome: Outcome) -> None:
        await asyncio.sleep(0)

    dispatcher = Dispatcher(Subscription("orders", concurrency=200), handle, settle)
    dispatcher.start()
    await asyncio.sleep(0)
    for number in range(50):
        dispatcher.offer(arrival(number))
        await until(lambda: len(handled) == number + 1)  # noqa: B023 - called before the next round
    for number in range(50, 150):
        dispatcher.offer(arrival(number))
    await until(lambda: len(handled) == 150)
    await dispatcher.drain(1.0)
    assert sorted(handled) == sorted(f"m{number}" for number in range(150))
    assert slept <= 200 + 2 * 150
