"""Stores of both kinds, ends of runs, and a real receiver of webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.events import CloudEvent, envelope
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.sealing import KeyPair, SecretsKeyring, generate_keys
from steptrail_notifier.adapters.keys import SealedKeys
from steptrail_notifier.adapters.sql import SqlNotifierStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Ended = Callable[..., tuple[CloudEvent, RunEvent]]


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Sink:
    """A receiver: keeps what it got, answers `status` after `delay_seconds`, `later` statuses first."""

    url: str = ""
    status: int = 200
    delay_seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    some: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
                self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
                self.some.set()
                await asyncio.sleep(self.delay_seconds)
                status = self.first.pop(0) if self.first else self.status
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{more}content-length: 0\r\n\r\n".encode())
                await writer.drain()

    async def receive(self, count: int, seconds: float = 10.0) -> None:
        """Wait until so many messages came."""
        async with asyncio.timeout(seconds):
            while len(self.got) < count:
                self.some.clear()
                await self.some.wait()


@pytest.fixture
async def make_sink() -> AsyncIterator[Callable[..., Any]]:
    """Opens receivers on free ports of loopback."""
    async with contextlib.AsyncExitStack() as stack:
        handlers: set[asyncio.Task[None]] = set()

        async def make(**how: Any) -> Sink:
            sink = Sink(**how)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                handlers.add(task)
                await sink.serve(reader, writer)

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            stack.callback(server.close)
            sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
            return sink

        yield make
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.sleep(0)  # lets the closed connections go


def end(
    run_id: str, status: str = "failed", *, minute: float = 0, key: str | None = "4711", process_id: str = "p"
) -> tuple[CloudEvent, RunEvent]:
    """The end of a run as the orchestrator tells it."""
    at = NOON + timedelta(minutes=minute)
    event = RunEvent(
        run_id=run_id, process_id=process_id, seq=9, at=at, type="run.finished", status=status, key=key,
        process_name="Order to cash", verdict=f"{status} at 5", duration_seconds=2.5,
    )  # fmt: skip
    wrapped = envelope("run.finished", event, source="orchestrator", identity=(run_id, 9), at=at, subject=process_id)
    return wrapped, event


@pytest.fixture(scope="session")
def ended() -> Ended:
    return end


@pytest.fixture(scope="session")
def key_pair() -> KeyPair:
    return generate_keys()


@pytest.fixture
def keys(key_pair: KeyPair) -> SealedKeys:
    return SealedKeys(key_pair.public, SecretsKeyring((key_pair.private,)))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[SqlNotifierStore]:
    """An empty store of each kind, its schema made by the migrations; its time is the hand clock's."""
    address = f"sqlite+aiosqlite:///{tmp_path}/notifier.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("fresh_postgres")
    opened = SqlNotifierStore.open(address, clock=clock)
    await opened.start()
    yield opened
    await opened.close()
