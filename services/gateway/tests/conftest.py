"""A gateway on SQLite, an in-process bus, and scripted services behind it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.contracts.gateway import ROLES, Role
from steptrail_common.service import running
from steptrail_common.testing.scripted import HandClock, ScriptedService
from steptrail_gateway.config import Settings
from steptrail_gateway.service import Clients, GatewayService, build, create_api_token

TOKEN = "service-token-of-the-tests-0123456789abcdef"
PASSWORD = "correct horse battery staple"
ORIGIN = "http://127.0.0.1:8080"
FROM_PAGE = {"X-Steptrail-Request": "1", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Behind:
    """The scripted services behind a gateway."""

    catalog: ScriptedService = field(default_factory=ScriptedService)
    orchestrator: ScriptedService = field(default_factory=ScriptedService)
    reporting: ScriptedService = field(default_factory=ScriptedService)
    notifier: ScriptedService = field(default_factory=ScriptedService)

    def clients(self) -> Clients:
        return Clients(*(one.client() for one in (self.catalog, self.orchestrator, self.reporting, self.notifier)))

    def asked(self) -> list[str]:
        every = (self.catalog, self.orchestrator, self.reporting, self.notifier)
        return [f"{one.method} {one.path}" for service in every for one in service.asked]


@dataclass
class Door:
    """A running gateway and ways to knock at it."""

    service: GatewayService
    behind: Behind
    clock: HandClock
    broker: InProcessBroker
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, *, address: str = "192.0.2.1", base: str = ORIGIN, **headers: str) -> httpx2.AsyncClient:
        """A client of its own, with its own cookies."""
        assert self.service.app is not None
        transport = httpx2.ASGITransport(self.service.app, client=(address, 50000))
        return httpx2.AsyncClient(transport=transport, base_url=base, headers=headers)

    async def token(self, role: Role) -> str:
        """A token of this role, made once."""
        if role not in self.tokens:
            self.tokens[role] = await create_api_token(self.service, name=f"tests {role}", role=role)
        return self.tokens[role]

    async def program(self, role: Role = "admin") -> httpx2.AsyncClient:
        """A client that carries a token of this role."""
        return self.client(Authorization=f"Bearer {await self.token(role)}")

    async def browser(self, username: str = "admin", password: str = PASSWORD) -> httpx2.AsyncClient:
        """A client that signed in and says of every request that the page made it."""
        client = self.client(**FROM_PAGE)
        answer = await client.post("/api/v1/session", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return client


def settings_for(folder: Path, **values: Any) -> Settings:
    given = {
        "store": f"sqlite+aiosqlite:///{folder / 'gateway.sqlite'}",
        "service_token": TOKEN,
        "bus": "memory:",
        "admin_password": PASSWORD,
        "static": folder / "static",
    }
    return Settings.load(**{**given, **values})


@asynccontextmanager
async def door_for(settings: Settings) -> AsyncIterator[Door]:
    behind, clock, broker = Behind(), HandClock(), InProcessBroker()
    service = build(settings, bus=InProcessBus(broker), clients=behind.clients(), clock=clock)
    async with running(service):
        yield Door(service, behind, clock, broker)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A gateway over plain HTTP on loopback, with one administrator."""
    async with door_for(settings_for(tmp_path)) as opened:
        yield opened


@pytest.fixture
def open_door(tmp_path: Path) -> Any:
    """A gateway with other settings: `async with open_door(public_url=…) as door`."""
    return lambda **values: door_for(settings_for(tmp_path, **values))


@pytest.fixture
def from_page() -> dict[str, str]:
    """What the page sends with every request that changes something."""
    return dict(FROM_PAGE)


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(door: Door) -> AsyncIterator[str]:
    """The gateway behind a real socket, for what an in-process transport cannot show: streams."""
    assert door.service.app is not None
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        door.service.app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=3
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.listening.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        assert door.service.before_shutdown is not None
        door.service.before_shutdown()
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
async def address(door: Door) -> AsyncIterator[str]:
    """Where `door` listens on a real socket."""
    async with served(door) as url:
        yield url


@pytest.fixture
def serve() -> Any:
    """Put another gateway behind a real socket: `async with serve(door) as url`."""
    return served
