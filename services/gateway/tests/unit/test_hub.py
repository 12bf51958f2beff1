"""The hub: bounded, fair, and closed in time."""

import asyncio

import pytest
from steptrail_common.errors import TooManyRequests, Unavailable
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.domain.stream import Frame, Wants
from steptrail_gateway.entrypoints.hub import Client, Hub


def caller(name: str = "ada", credential: str = "s1") -> Caller:
    return Caller(name, name, "viewer", "session", credential)


def frame(number: int, run_id: str = "r", process_id: str = "p") -> Frame:
    return Frame(f"{number},".encode(), process_id, run_id, (run_id, number))


async def read(client: Client) -> bytes:
    async with asyncio.timeout(2):
        return await client.take()


@pytest.mark.req("FR-009")
async def test_everyone_gets_everything_in_order() -> None:
    """Two hundred clients, each the same bytes."""
    hub = Hub()
    clients = [hub.join(caller(f"user{number}"), Wants()) for number in range(200)]
    await hub.publish([frame(number) for number in range(1, 501)])
    expected = b"".join(frame(number).data for number in range(1, 501))
    assert {await read(client) for client in clients} == {expected}


async def test_client_gets_only_what_it_asked_for() -> None:
    hub = Hub()
    client = hub.join(caller(), Wants(run_ids=frozenset({"a"}), process_ids=frozenset({"q"})))
    await hub.publish([frame(1, "a"), frame(2, "b"), frame(3, "c", "q")])
    assert await read(client) == b"1,3,"


@pytest.mark.req("FR-009")
async def test_slow_client_is_ended_and_others_do_not_notice() -> None:
    """Handing over never waits: the one that does not read is dropped when its queue is full."""
    hub = Hub(max_pending=10)
    slow, quick = hub.join(caller(), Wants()), hub.join(caller(), Wants())
    got = b""
    for number in range(50):
        await hub.publish([frame(number)])
        got += await read(quick)
    assert got == b"".join(frame(number).data for number in range(50))
    assert slow.too_slow
    assert slow.gone.is_set()
    assert not quick.gone.is_set()


async def test_one_account_has_a_bounded_number_of_streams() -> None:
    """Others still get in, and a closed stream makes room."""
    hub = Hub(streams_per_user=2)
    first = hub.join(caller(), Wants())
    hub.join(caller(), Wants())
    with pytest.raises(TooManyRequests) as refused:
        hub.join(caller(), Wants())
    assert refused.value.retry_after_seconds == 30
    hub.join(caller("eve"), Wants())
    hub.leave(first)
    hub.leave(first)
    hub.join(caller(), Wants())
    assert len(hub) == 3


async def test_server_has_a_bounded_number_of_streams() -> None:
    hub = Hub(max_streams=1)
    hub.join(caller("ada"), Wants())
    with pytest.raises(Unavailable):
        hub.join(caller("eve"), Wants())


async def test_ended_sign_in_ends_its_streams_alone() -> None:
    hub = Hub()
    mine, other = hub.join(caller(credential="s1"), Wants()), hub.join(caller(credential="s2"), Wants())
    hub.close_of({"s1"})
    assert await read(mine) == b""
    await hub.publish([frame(1)])
    assert await read(other) == b"1,"


async def test_shutdown_ends_all_after_what_is_pending() -> None:
    """Nothing handed over is lost, and nobody new gets in."""
    hub = Hub()
    client = hub.join(caller(), Wants())
    await hub.publish([frame(1)])
    hub.close()
    assert await read(client) == b"1,"
    assert await read(client) == b""
    with pytest.raises(Unavailable):
        hub.join(caller(), Wants())


async def test_replayed_events_do_not_come_twice() -> None:
    """What the log gave is left out when the bus brings it, until the next keep-alive."""
    hub = Hub()
    client = hub.join(caller(), Wants())
    client.skip([("r", 1), ("r", 2)])
    await hub.publish([frame(1), frame(2), frame(3)])
    assert await read(client) == b"3,"
    waiting = asyncio.create_task(read(client))
    await hub.publish([frame(2)])
    await asyncio.sleep(0.01)
    assert not waiting.done()
    hub.keep_alive()
    assert await waiting == b": keep-alive\n\n"


async def test_who_asks_for_it_is_told_that_the_stream_is_alive() -> None:
    """As an event, because scripts in a browser cannot see comments; all others get the comment."""
    hub = Hub()
    page, program = hub.join(caller(), Wants(alive=True)), hub.join(caller(), Wants())
    hub.keep_alive()
    assert await read(page) == b'event: alive\ndata: {"type":"alive"}\n\n'
    assert await read(program) == b": keep-alive\n\n"


async def test_client_waits_without_spinning() -> None:
    """A reader that found nothing sleeps until there is something."""
    hub = Hub()
    client = hub.join(caller(), Wants())
    waiting = asyncio.create_task(client.take())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await hub.publish([frame(1)])
    assert await waiting == b"1,"


async def test_what_comes_while_many_are_served_goes_out_with_the_rest() -> None:
    """A few clients are served in each turn of the loop: requests get their turn in between, and an event that comes
    meanwhile does not go round a second time for those who still wait."""
    hub = Hub()
    clients = [hub.join(caller(f"user{number}"), Wants()) for number in range(500)]
    got: list[list[bytes]] = [[] for _ in clients]

    async def reader(client: Client, pieces: list[bytes]) -> None:
        while piece := await client.take():
            pieces.append(piece)

    reading = [asyncio.create_task(reader(*pair)) for pair in zip(clients, got, strict=True)]
    await asyncio.sleep(0)
    await hub.publish([frame(1)])
    for _ in range(3):
        await asyncio.sleep(0)
    served = [pieces for pieces in got if pieces]
    assert 0 < len(served) <= 150
    await hub.publish([frame(2)])
    hub.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*reading)
    assert {b"".join(pieces) for pieces in got} == {b"1,2,"}
    assert sum(len(pieces) == 1 for pieces in got) == len(clients) - len(served)
