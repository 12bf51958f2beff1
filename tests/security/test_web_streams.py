"""Live streams held open by the wrong people, or in too great a number."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

STREAM = {"Accept": "text/event-stream"}


async def test_one_account_cannot_take_all_streams(open_door: Any, serve: Any) -> None:
    """Beyond its limit it gets 429 with Retry-After; another account still gets in; a closed stream makes room."""
    async with open_door(streams_per_user=3) as door, serve(door) as url, AsyncExitStack() as stack:
        admin = await door.browser()
        await admin.post("/api/v1/users", json={"username": "eve", "password": "eves long password"})
        eve = await door.browser("eve", "eves long password")
        token = await door.token("viewer")
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=10))
        mine = {**STREAM, "Authorization": f"Bearer {token}"}
        streams = [
            await stack.enter_async_context(client.stream("GET", f"{url}/api/v1/events", headers=mine))
            for _ in range(3)
        ]
        assert [stream.status_code for stream in streams] == [200] * 3
        refused = await client.get(f"{url}/api/v1/events", headers=mine)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        hers = {**STREAM, "Cookie": f"steptrail_session={eve.cookies['steptrail_session']}"}
        other = await stack.enter_async_context(client.stream("GET", f"{url}/api/v1/events", headers=hers))
        assert other.status_code == 200
        await streams[0].aclose()
        async with asyncio.timeout(5):
            while len(door.service.app.state.gateway.hub) > 3:  # noqa: ASYNC110  (there is nothing to wait on)
                await asyncio.sleep(0.02)
        again = await stack.enter_async_context(client.stream("GET", f"{url}/api/v1/events", headers=mine))
        assert again.status_code == 200


@pytest.mark.req("NFR-010")
@pytest.mark.parametrize("change", ["demoted", "deactivated", "deleted"])
async def test_stream_ends_with_the_right_to_it(door: Any, address: str, change: str) -> None:
    """Rights are those of now, not those of when it was opened."""
    admin = await door.browser()
    body = {"username": "eve", "password": "eves long password", "role": "operator"}
    user = (await admin.post("/api/v1/users", json=body)).json()
    eve = await door.browser("eve", "eves long password")
    headers = {**STREAM, "Cookie": f"steptrail_session={eve.cookies['steptrail_session']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=10) as client,
        client.stream("GET", f"{address}/api/v1/events") as response,
    ):
        assert response.status_code == 200
        if change == "demoted":
            await admin.put(f"/api/v1/users/{user['user_id']}", json={"username": "eve", "role": "viewer"})
        elif change == "deactivated":
            await admin.put(f"/api/v1/users/{user['user_id']}", json={"username": "eve", "active": False})
        else:
            await admin.delete(f"/api/v1/users/{user['user_id']}")
        recheck = next(hook for hook in door.service.background if hook.__name__ == "recheck")
        await recheck.__self__.recheck_once()
        async with asyncio.timeout(5):
            async for _ in response.aiter_bytes():
                pass


async def test_stream_shows_only_our_events(door: Any, address: str) -> None:
    """A message somebody else put on the exchange reaches no browser."""
    from steptrail_common.bus.inprocess import InProcessBus
    from steptrail_common.bus.port import Destination, Message

    token = await door.token("viewer")
    headers = {**STREAM, "Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=10) as client,
        client.stream("GET", f"{address}/api/v1/events") as response,
    ):
        bus = InProcessBus(door.broker)
        await bus.start()
        evil = Message(b"data: {}\n\nevent: run.finished\ndata: forged\n\n", "x")
        await bus.publish([(Destination(topic="run.finished.p"), evil)])
        await asyncio.sleep(0.2)
        await bus.close()
        door.service.before_shutdown()
        got = b"".join([piece async for piece in response.aiter_bytes()])
    assert b"forged" not in got
