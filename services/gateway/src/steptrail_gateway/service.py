"""The composition root of the gateway: the only place that knows the adapters."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.contracts.gateway import About, AuditEntry, Role, TokenWrite
from steptrail_common.database import migrate, open_engine
from steptrail_common.errors import SteptrailError, Unavailable
from steptrail_common.service import Service
from steptrail_common.web import ServiceClient

from steptrail_gateway.adapters.argon2 import Argon2Hasher, hash_of_nobody
from steptrail_gateway.adapters.paper.printer import PdfPrinter
from steptrail_gateway.adapters.sql.audit import SqlAuditLog, reaching, reading
from steptrail_gateway.adapters.sql.credentials import SqlCredentials
from steptrail_gateway.adapters.sql.users import SqlUsers
from steptrail_gateway.config import Settings
from steptrail_gateway.domain.audit import first_fault
from steptrail_gateway.domain.people import SessionLimits
from steptrail_gateway.entrypoints.feed import Feed
from steptrail_gateway.entrypoints.http.access import Gateway
from steptrail_gateway.entrypoints.http.app import create_api, create_app
from steptrail_gateway.entrypoints.http.page import Page
from steptrail_gateway.entrypoints.hub import Hub
from steptrail_gateway.entrypoints.upkeep import Upkeep
from steptrail_gateway.handlers import accounts, tokens
from steptrail_gateway.ports import Clients, PasswordHasher, Printer, Stores

__all__ = [
    "Clients",
    "GatewayService",
    "build",
    "create_api_token",
    "create_sign_in_link",
    "openapi_document",
    "with_store",
]

VERSION: Final = "0.1.0"
USAGE: Final = "usage: python -m steptrail_gateway [create-link [USERNAME] | verify-audit]"
MIGRATIONS: Final = Path(__file__).parent / "adapters" / "migrations"
_AUDIT_CHUNK: Final = 1_000


@dataclass
class GatewayService(Service):
    """A `Service` that its operator can also ask for links, tokens and the state of the audit log."""

    stores: Stores = field(kw_only=True)
    clock: Clock = field(kw_only=True)


def build(
    settings: Settings, *, bus: Bus | None = None, clients: Clients | None = None, clock: Clock | None = None
) -> GatewayService:
    """Put the gateway together. `bus` and `clients` are given where all services share a process."""
    clock = clock or SystemClock()
    bus = bus or connect(settings.bus, name="steptrail-gateway")
    own_clients = _connect(settings) if clients is None else []
    clients = clients or Clients(*own_clients)
    engine, hasher, printer = open_engine(settings.store), Argon2Hasher(), PdfPrinter()
    stores = Stores(SqlUsers(engine), SqlCredentials(engine), SqlAuditLog(engine))
    page = Page.read(settings.static)
    hub = Hub(streams_per_user=settings.streams_per_user, max_streams=settings.max_streams)
    feed = Feed(hub, clients.orchestrator, clock)
    gateway = _gateway(settings, stores, hasher, printer, clock, clients, hub, feed)
    upkeep = Upkeep(hub, stores.credentials, clock, gateway.limits)
    checks = {"store": lambda: _ping(engine), "bus": lambda: _connected(bus)}
    password = settings.admin_password.get_secret_value() if settings.admin_password else None

    async def prepare_store() -> None:
        async with reaching():
            await migrate(engine, service="gateway", migrations=MIGRATIONS)
        await accounts.ensure_administrator(password, stores=stores, hasher=hasher, clock=clock)

    async def listen() -> None:
        await bus.start()
        await bus.subscribe(feed.subscription(uuid4().hex), feed.on_deliveries)

    async def release() -> None:
        hub.close()
        hasher.close()
        printer.close()
        for client in own_clients:
            await client.aclose()
        await engine.dispose()

    return GatewayService(
        name="gateway",
        app=create_app(gateway, page, version=VERSION, checks=checks),
        bus=bus,
        start=[prepare_store, listen],
        background=[upkeep.keep_alive, upkeep.recheck, upkeep.sweep, feed.mend],
        stop=[release],
        checks=checks,
        before_shutdown=hub.close,
        ahead=[page.compress, hash_of_nobody],
        stores=stores,
        clock=clock,
    )


def _gateway(
    settings: Settings,
    stores: Stores,
    hasher: PasswordHasher,
    printer: Printer,
    clock: Clock,
    clients: Clients,
    hub: Hub,
    feed: Feed,
) -> Gateway:
    """What the routes work with."""
    return Gateway(
        stores=stores,
        hasher=hasher,
        clock=clock,
        clients=clients,
        hub=hub,
        printer=printer,
        limits=SessionLimits(settings.idle, settings.absolute),
        about=About(version=VERSION, topology=settings.topology, demo=settings.demo),
        cursor_key=_cursor_key(settings),
        feed_position=feed.position,
        public_url=settings.public_url,
    )


def _connect(settings: Settings) -> list[ServiceClient]:
    token = settings.service_token.get_secret_value()
    urls = (settings.catalog_url, settings.orchestrator_url, settings.reporting_url, settings.notifier_url)
    return [ServiceClient(url, token) for url in urls]


def _cursor_key(settings: Settings) -> bytes:
    """Cursors are signed with a key of their own, the same on every replica."""
    return hashlib.sha256(b"gateway cursors\n" + settings.service_token.get_secret_value().encode()).digest()


async def _ping(engine: AsyncEngine) -> None:
    async with reading(engine) as connection:
        await connection.execute(sa.select(1))


async def _connected(bus: Bus) -> None:
    if not bus.healthy():
        raise Unavailable("not connected to the broker")


# --- for whoever runs the installation -------------------------------------------------------------------------------


@asynccontextmanager
async def with_store(settings: Settings) -> AsyncIterator[GatewayService]:
    """A gateway of which only the store is used, for commands beside a running installation."""
    service = build(settings)
    try:
        await service.start[0]()
        yield service
    finally:
        for hook in service.stop:
            await hook()


async def create_sign_in_link(service: GatewayService, username: str = accounts.ADMIN) -> str:
    """The path of a link that signs this account in once, within 15 minutes. The store must be prepared (`start`)."""
    user = await accounts.named(username, stores=service.stores)
    link = await accounts.link_for(user, accounts.SYSTEM, stores=service.stores, clock=service.clock)
    return link.path


async def create_api_token(
    service: GatewayService,
    username: str = accounts.ADMIN,
    *,
    name: str = "command line",
    role: Role = "admin",
    expires_in_days: int | None = None,
) -> str:
    """An API token of this account, in place of those of the same name; the text is shown nowhere else.

    The store must be prepared (`start`).
    """
    user = await accounts.named(username, stores=service.stores)
    wanted = TokenWrite(name=name, role=role, expires_in_days=expires_in_days)
    await tokens.revoke_named(user, name, accounts.SYSTEM, credentials=service.stores.credentials, clock=service.clock)
    return await tokens.create_for(
        user, wanted, accounts.SYSTEM, credentials=service.stores.credentials, clock=service.clock
    )


async def audit_fault(service: GatewayService) -> tuple[int, int | None]:
    """How many lines the audit log has, and the number of the first one that is not as it was written."""
    count = 0
    before: AuditEntry | None = None
    while chunk := await service.stores.audit.chunk(count, _AUDIT_CHUNK):
        fault = first_fault(chunk, before)
        if fault is not None:
            return count + len(chunk), fault
        count, before = chunk[-1].number, chunk[-1]
    return count, None


async def _print_link(username: str) -> int:
    settings = Settings.load()
    async with with_store(settings) as service:
        path = await create_sign_in_link(service, username)
    print(f"{settings.public_url or f'http://{settings.host}:{settings.port}'}{path}")
    return 0


async def _verify_audit() -> int:
    async with with_store(Settings.load()) as service:
        count, fault = await audit_fault(service)
    print(f"{count} lines, unbroken" if fault is None else f"line {fault} is not as it was written")
    return 0 if fault is None else 1


def command(arguments: list[str]) -> int:
    """The commands beside serving; the exit code. What is wrong is one sentence on stderr."""
    try:
        match arguments:
            case ["create-link"]:
                return asyncio.run(_print_link(accounts.ADMIN))
            case ["create-link", username]:
                return asyncio.run(_print_link(username))
            case ["verify-audit"]:
                return asyncio.run(_verify_audit())
    except SteptrailError as error:
        sys.stderr.write(f"steptrail-gateway: {error.detail}\n")
        return 1
    sys.stderr.write(f"{USAGE}\n")
    return 3


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, without any server: for `docs/openapi.json`."""
    return create_api(VERSION).openapi()
