"""The live stream over a real socket."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from steptrail_common.bus.inprocess import InProcessBus
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.events import BATCH_CONTENT_TYPE, envelope, routing_key
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.testing.scripted import Asked, Scripted

STREAM = {"Accept": "text/event-stream"}


def event(seq: int, run_id: str = "r1", process_id: str = "p1", **more: Any) -> RunEvent:
    kind = {1: "run.queued", 2: "run.started"}.get(seq, "step.started")
    fields = {
        "run_id": run_id,
        "process_id": process_id,
        "seq": seq,
        "at": "2026-11-20T12:00:00Z",
        "type": kind,
        "status": "running",
        "inputs": {"order_id": "4711"} if seq == 1 else None,
    }
    return RunEvent.model_validate({**fields, **more})


async def tell(door: Any, *facts: tuple[RunEvent, int]) -> None:
    """Publish as the orchestrator does: CloudEvents with the position in a header."""
    bus = InProcessBus(door.broker)
    await bus.start()
    messages = []
    for fact, position in facts:
        wrapped = envelope(
            fact.type,
            fact,
            source="orchestrator",
            identity=(fact.run_id, fact.seq),
            at=fact.at,
            subject=fact.process_id,
        )
        message = Message(wrapped.model_dump_json().encode(), wrapped.id, headers={"position": str(position)})
        messages.append((Destination(topic=routing_key(fact.type, fact.process_id)), message))
    await bus.publish(messages)
    await bus.close()


async def tell_together(door: Any, *facts: tuple[RunEvent, int]) -> None:
    """Publish several events in one message, as the orchestrator does under load."""
    bus = InProcessBus(door.broker)
    await bus.start()
    documents = [
        envelope(f.type, f, source="orchestrator", identity=(f.run_id, f.seq), at=f.at, subject=f.process_id)
        for f, _ in facts
    ]
    body = b"[" + b",".join(one.model_dump_json().encode() for one in documents) + b"]"
    headers = {"position": ",".join(str(position) for _, position in facts)}
    message = Message(body, "together", BATCH_CONTENT_TYPE, headers)
    await bus.publish([(Destination(topic=routing_key("step.started", "p")), message)])
    await bus.close()


class Reader:
    """What a browser's EventSource does with the bytes."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id: str | None = None

    async def next(self) -> tuple[str, Any]:
        """The next event as (type, data); comments and bare ids are not announced."""
        name, data = "message", None
        async with asyncio.timeout(5):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data = json.loads(line[6:])
                elif not line and data is not None:
                    return name, data
        return "closed", None


@asynccontextmanager
async def stream(url: str, token: str, *, last_id: str | None = None, **params: Any) -> AsyncIterator[Reader]:
    headers = {**STREAM, "Authorization": f"Bearer {token}", **({"Last-Event-ID": last_id} if last_id else {})}
    async with (
        httpx2.AsyncClient(timeout=10) as client,
        client.stream("GET", f"{url}/api/v1/events", params=params, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        yield Reader(response)


def log_of(door: Any, *facts: tuple[RunEvent, int]) -> None:
    """The orchestrator's log: what is behind `after`, in order, two to a page."""

    def answer(asked: Asked) -> Scripted:
        after, limit = int(asked.query["after"][0]), min(2, int(asked.query["limit"][0]))
        wanted = [(fact, position) for fact, position in sorted(facts, key=lambda one: one[1]) if position > after]
        items = [{"cursor": str(at), "event": fact.model_dump(mode="json")} for fact, at in wanted[:limit]]
        return Scripted({"items": items, "next_cursor": items[-1]["cursor"] if len(wanted) > limit else None})

    door.behind.orchestrator.react("GET", "/events", answer)


@pytest.mark.req("FR-009")
async def test_events_reach_every_open_browser(door: Any, address: str) -> None:
    """In order, with type, id and one JSON document each."""
    token = await door.token("viewer")
    async with stream(address, token) as one, stream(address, token) as other:
        await tell(door, (event(1), 7), (event(2), 8))
        for reader in (one, other):
            assert await reader.next() == ("run.queued", event(1).model_dump(mode="json", exclude_none=True))
            assert (await reader.next())[0] == "run.started"
            assert reader.last_id == "8"


async def test_events_that_travel_together_arrive_one_by_one(door: Any, address: str) -> None:
    """A message in batch mode: every event reaches the browser, in order, with its own position to resume after."""
    token = await door.token("viewer")
    async with stream(address, token) as reader:
        await tell_together(door, (event(1), 7), (event(1, "b"), 8), (event(2), 9))
        for run_id, position in (("r1", "7"), ("b", "8"), ("r1", "9")):
            assert (await reader.next())[1]["run_id"] == run_id
            assert reader.last_id == position


async def test_stream_follows_what_was_asked_for(door: Any, address: str) -> None:
    """Several runs and processes may be named; nothing else comes."""
    token = await door.token("viewer")
    async with stream(address, token, run_id=["a", "b"], process_id="q") as reader:
        await tell(door, (event(1, "a"), 1), (event(1, "x"), 2), (event(1, "b"), 3), (event(1, "y", "q"), 4))
        assert [(await reader.next())[1]["run_id"] for _ in range(3)] == ["a", "b", "y"]


@pytest.mark.req("FR-009")
async def test_reconnect_gets_what_was_missed_and_goes_on_live(door: Any, address: str) -> None:
    """The log is re-read from a little before; what comes live meanwhile is not sent twice."""
    facts = [(event(seq), 1000 + seq) for seq in range(1, 6)]
    log_of(door, *facts)
    token = await door.token("viewer")
    await tell(door, *facts[:3])
    async with stream(address, token, last_id="1003") as reader:
        await tell(door, *facts[3:], (event(6), 1006))
        seqs = [(await reader.next())[1]["seq"] for _ in range(6)]
    assert seqs == [1, 2, 3, 4, 5, 6]
    asked = [one.query["after"][0] for one in door.behind.orchestrator.asked]
    assert asked[:2] == ["1002", "503"]


@pytest.mark.parametrize("last_id", ["999999", "abc", "-1", "start"])
async def test_unknown_or_forgotten_position_is_a_reset(door: Any, address: str, last_id: str) -> None:
    """Told to read everything again, then live."""
    log_of(door, (event(1), 1001))
    async with stream(address, await door.token("viewer"), last_id=last_id) as reader:
        assert (await reader.next())[0] == "reset"
        await tell(door, (event(1, "new"), 1002))
        assert (await reader.next())[1]["run_id"] == "new"


async def test_log_that_is_away_is_a_reset(door: Any, address: str) -> None:
    door.behind.orchestrator.away = True
    async with stream(address, await door.token("viewer"), last_id="5") as reader:
        assert (await reader.next())[0] == "reset"


async def test_new_stream_starts_with_where_it_stands(door: Any, address: str) -> None:
    """So that a browser that saw no event yet can still resume."""
    token = await door.token("viewer")
    async with stream(address, token) as first:
        await tell(door, (event(1), 41))
        await first.next()
        async with stream(address, token) as second:
            await tell(door, (event(1, "other", process_id="p2"), 42))
            await second.next()
    headers = {**STREAM, "Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as client,
        client.stream("GET", f"{address}/api/v1/events") as response,
    ):
        opening = await anext(response.aiter_bytes())
    assert opening == b"retry: 2000\nid: 42\n\n"


@pytest.mark.req("NFR-010")
async def test_sign_out_closes_the_streams_of_the_session(door: Any, address: str) -> None:
    """At once on this replica; other sessions stay."""
    browser = await door.browser()
    cookie = f"steptrail_session={browser.cookies['steptrail_session']}"
    headers = {**STREAM, "Cookie": cookie}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=10) as client,
        client.stream("GET", f"{address}/api/v1/events") as response,
    ):
        assert response.status_code == 200
        await browser.delete("/api/v1/session")
        async with asyncio.timeout(5):
            assert b"".join([piece async for piece in response.aiter_bytes()]).startswith(b"retry:")


@pytest.mark.req("NFR-010")
async def test_revoked_sign_in_is_noticed_by_the_recheck(door: Any, address: str) -> None:
    """Also when another replica revoked it: every 30 s all open streams are checked in one question."""
    made = await (await door.browser()).post("/api/v1/tokens", json={"name": "x", "role": "viewer"})
    async with stream(address, made.json()["token"]) as reader:
        door.clock.move(days=90)
        recheck = next(hook for hook in door.service.background if hook.__name__ == "recheck")
        await recheck.__self__.recheck_once()
        assert await reader.next() == ("closed", None)


async def test_shutdown_closes_streams_without_delay(door: Any, address: str) -> None:
    """An open stream does not hold up a rolling restart."""
    async with stream(address, await door.token("viewer")) as reader:
        await tell(door, (event(1), 1))
        door.service.before_shutdown()
        assert (await reader.next())[0] == "run.queued"
        assert await reader.next() == ("closed", None)


@pytest.mark.req("NFR-005")
async def test_two_hundred_browsers_get_everything_in_order(open_door: Any, serve: Any) -> None:
    """Every one of them, every event, none twice."""
    async with open_door(streams_per_user=200) as door, serve(door) as address, AsyncExitStack() as stack:
        token = await door.token("viewer")
        readers = [await stack.enter_async_context(stream(address, token)) for _ in range(200)]
        await tell(door, *((event(seq), seq) for seq in range(1, 51)))
        for reader in readers:
            assert [(await reader.next())[1]["seq"] for _ in range(50)] == list(range(1, 51))


async def test_client_that_never_reads_is_dropped(door: Any, address: str) -> None:
    """Its socket fills, then its queue; the hub lets go of it while another client gets every event."""
    token = await door.token("viewer")
    host, port = address.removeprefix("http://").split(":")
    silent = socket.create_connection((host, int(port)))
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.sendall(
        f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    silent.setblocking(False)
    async with stream(address, token) as reader:
        text = "x" * 2000
        total = 6000
        got = []
        for start in range(1, total, 500):
            await tell(door, *((event(seq, message=text), seq) for seq in range(start, start + 500)))
            got += [(await reader.next())[1]["seq"] for _ in range(500)]
    assert got == list(range(1, total + 1))
    hub = door.service.app.state.gateway.hub
    async with asyncio.timeout(5):
        while len(hub):  # noqa: ASYNC110  (there is nothing to wait on)
            await asyncio.sleep(0.05)
    silent.close()
