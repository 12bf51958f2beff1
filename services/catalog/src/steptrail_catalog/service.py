"""The composition root of the catalog, and what the command line needs of it without a server."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.contracts.catalog import Plan, ValidationReport
from steptrail_common.database import open_engine
from steptrail_common.errors import ConfigurationError, InvalidInput, Unavailable
from steptrail_common.outbox import OutboxRelay
from steptrail_common.sealing import seal
from steptrail_common.service import Service

from steptrail_catalog.adapters import sql
from steptrail_catalog.adapters.schema import outbox
from steptrail_catalog.adapters.sql import SqlConnectionStore, SqlProcessStore
from steptrail_catalog.config import Settings
from steptrail_catalog.domain.connection_schema import connection_schema
from steptrail_catalog.domain.format_schema import process_schema
from steptrail_catalog.domain.plan import plan
from steptrail_catalog.domain.validation import read_text, validate
from steptrail_catalog.entrypoints.http import build_api
from steptrail_catalog.ports import ConnectionStore, ProcessStore, Stores

__all__ = ["build", "plan_text", "process_schema", "validate_text"]

Hook = Callable[[], Awaitable[None]]


class _Relay(Protocol):
    """What publishes the events that wait in a store."""

    def wake(self) -> None: ...

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Storage:
    """One kind of database: its stores, its relay, and how it is opened and closed."""

    processes: ProcessStore
    connections: ConnectionStore
    relay: _Relay
    start: Hook
    stop: Hook
    check: Hook


def _storage(address: str, bus: Bus) -> _Storage:
    if address.startswith(("mongodb://", "mongodb+srv://")):
        # Only where it is used: the driver takes a second to load, which a laptop would wait for at every start.
        from steptrail_catalog.adapters.mongo import MongoCatalog, MongoConnectionStore, MongoProcessStore, MongoRelay

        catalog = MongoCatalog(address)
        return _Storage(
            processes=MongoProcessStore(catalog),
            connections=MongoConnectionStore(catalog),
            relay=MongoRelay(catalog, bus, service="catalog"),
            start=catalog.start,
            stop=catalog.close,
            check=catalog.check,
        )
    if not address.startswith("sqlite+aiosqlite://"):
        raise ConfigurationError("STEPTRAIL_CATALOG_STORE: write mongodb://…/database or sqlite+aiosqlite:///path")
    engine = open_engine(address)

    async def prepare() -> None:
        await sql.prepare(engine)

    async def check() -> None:
        await sql.ping(engine)

    return _Storage(
        processes=SqlProcessStore(engine),
        connections=SqlConnectionStore(engine),
        relay=OutboxRelay(engine, outbox, bus, service="catalog"),
        start=prepare,
        stop=engine.dispose,
        check=check,
    )


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """The catalog with its adapters; nothing is connected before it is started. Raises `ConfigurationError`."""
    token = settings.service_token.get_secret_value()
    seal(settings.public_key, "", connection_id="start", field="start", host="start")  # refuses a wrong key now
    events = bus or connect(settings.bus, name="catalog")
    storage = _storage(settings.store, events)

    async def broker() -> None:
        if not events.healthy():
            raise Unavailable("the connection to the broker is lost")

    checks = {"store": storage.check, "broker": broker}
    schemas = cache(process_schema), cache(connection_schema)  # they depend on the code and the installed kinds alone
    stores = Stores(storage.processes, storage.connections, clock or SystemClock(), settings.public_key)
    return Service(
        name="catalog",
        app=build_api(
            stores=stores,
            wake=storage.relay.wake,
            service_token=token,
            cursor_key=hashlib.sha256(f"catalog cursor {token}".encode()).digest(),
            checks=checks,
            process_schema=schemas[0],
            connection_schema=schemas[1],
        ),
        bus=events,
        background=[storage.relay.run],
        start=[storage.start, events.start],
        stop=[storage.stop],
        checks=checks,
        ahead=schemas,
    )


def validate_text(text: str, media_type: str) -> ValidationReport:
    """Check a definition without a server: connections are not looked up."""
    try:
        source = read_text(text, media_type)
    except InvalidInput as error:
        return ValidationReport(valid=False, errors=error.errors or [])
    return validate(source, connections=None)


def plan_text(text: str, media_type: str) -> Plan:
    """What a run would touch, as far as the definition alone tells. Raises `InvalidInput`."""
    report = validate_text(text, media_type)
    if report.definition is None or report.errors:
        first = report.errors[0]
        raise InvalidInput(f"{first.path}: {first.message}", errors=report.errors)
    return plan(report.definition, {}, {})
