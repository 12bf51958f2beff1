"""The composition root of the orchestrator."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock
from steptrail_common.database import migrate, open_engine
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_common.outbox import Entry, OutboxRelay
from steptrail_common.service import Service
from steptrail_common.web import ServiceClient

from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.catalog import CatalogClient
from steptrail_orchestrator.adapters.probing import BusProber
from steptrail_orchestrator.adapters.schema import outbox
from steptrail_orchestrator.adapters.sql import (
    Chains,
    SqlBoardStore,
    SqlInspectionStore,
    SqlRunKeeping,
    SqlRunReader,
    SqlRunStore,
    SqlScheduleStore,
    plan_by_key,
)
from steptrail_orchestrator.config import Settings
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.entrypoints.events import empty_queues, subscribe, subscribe_definitions, subscribe_replays
from steptrail_orchestrator.entrypoints.http import Parts, build_api
from steptrail_orchestrator.entrypoints.inspector import Inspector
from steptrail_orchestrator.entrypoints.keeper import Keeper
from steptrail_orchestrator.entrypoints.scheduler import Scheduler
from steptrail_orchestrator.entrypoints.ticker import Ticker
from steptrail_orchestrator.handlers import Archive, Boarding
from steptrail_orchestrator.handlers.running import Poke

_PATIENCE_SECONDS = 2.0
"""How long messages are left to the replica that committed them and publishes from memory."""


@dataclass(frozen=True, slots=True)
class _Adapters:
    """What the rooms within are given: stores over one engine, and the doors to the catalog and the workers."""

    messages: Bus
    relay: OutboxRelay
    store: SqlRunStore
    reader: SqlRunReader
    schedules: SqlScheduleStore
    boards: SqlBoardStore
    definitions: CatalogClient
    prober: BusProber


def build(
    settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None, catalog: ServiceClient | None = None
) -> Service:
    """The orchestrator with its adapters; nothing is connected before it is started.

    `clock` is part of every composition root; all moments here are the database's.
    """
    token = settings.service_token.get_secret_value()
    engine = open_engine(settings.store)
    walking = _walking_engine(settings, engine)
    client = catalog or ServiceClient(settings.catalog_url, token)
    made = _adapters(settings, engine, walking, bus or connect(settings.bus, name="orchestrator"), client)
    messages = made.messages
    scheduler = Scheduler(
        made.schedules,
        made.definitions,
        new_run_id=new_run_id,
        poll_seconds=settings.schedule_poll_seconds,
        resync_seconds=settings.schedule_resync_seconds,
    )
    keeper = _keeper(settings, engine, made.reader)
    ticker = _ticker(settings, made.store, messages, made.relay)

    inspector = _inspector(settings, made, SqlInspectionStore(engine))

    async def prepare() -> None:
        await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))
        await keeper.prepare()

    async def consume() -> None:
        await made.prober.start()
        limits = limits_of(settings)
        await subscribe(messages, store=made.store, catalog=made.definitions, limits=limits, poke=ticker.poke)
        await subscribe_replays(messages, reader=made.reader, schedules=made.schedules)
        await subscribe_definitions(messages, catalog=made.definitions, schedules=made.schedules, poke=scheduler.poke)

    async def close() -> None:
        for one in (engine, walking):
            await one.dispose()
        if catalog is None:
            await client.aclose()

    async def broker() -> None:
        if not messages.healthy():
            raise Unavailable("the connection to the broker is lost")

    checks = {"store": made.reader.check, "broker": broker}
    return Service(
        name="orchestrator",
        app=build_api(_parts(settings, made, poke=ticker.poke), service_token=token, checks=checks),
        bus=messages,
        background=[made.relay.run, ticker.run, scheduler.run, keeper.run, inspector.run],
        start=[prepare, messages.start, consume],
        stop=[close],
        checks=checks,
    )


def _walking_engine(settings: Settings, engine: AsyncEngine) -> AsyncEngine:
    """The engine of what moves runs. SQLite has one writer: there it is that of all others."""
    return engine if engine.dialect.name == "sqlite" else plan_by_key(open_engine(settings.store))


def _adapters(
    settings: Settings, engine: AsyncEngine, walking: AsyncEngine, messages: Bus, client: ServiceClient
) -> _Adapters:
    """`walking` is the engine of what moves runs, by key."""
    relay = OutboxRelay(walking, outbox, messages, service="orchestrator", patience_seconds=_PATIENCE_SECONDS)
    chains = Chains()

    def committed(sent: Sequence[Entry] | None) -> None:
        if sent is None:
            relay.wake()
        else:
            relay.hand_over(sent)

    store = SqlRunStore(
        walking,
        limits=limits_of(settings),
        worker_live_seconds=settings.worker_live_seconds,
        committed=committed,
        chains=chains,
    )
    return _Adapters(
        messages=messages,
        relay=relay,
        store=store,
        reader=SqlRunReader(engine, chains),
        schedules=SqlScheduleStore(engine, store),
        boards=SqlBoardStore(engine),
        definitions=CatalogClient(client),
        prober=BusProber(messages),
    )


def _parts(settings: Settings, made: _Adapters, *, poke: Poke) -> Parts:
    token, live_seconds = settings.service_token.get_secret_value(), settings.worker_live_seconds
    return Parts(
        store=made.store,
        reader=made.reader,
        schedules=made.schedules,
        boards=made.boards,
        boarding=Boarding(
            boards=made.boards,
            catalog=made.definitions,
            prober=made.prober,
            reader=made.reader,
            live_seconds=live_seconds,
        ),
        catalog=made.definitions,
        prober=made.prober,
        evidence=EvidenceStore(settings.evidence),
        bus=made.messages,
        limits=limits_of(settings),
        live_seconds=live_seconds,
        poke=poke,
        new_run_id=new_run_id,
        cursor_key=hashlib.sha256(f"orchestrator cursor {token}".encode()).digest(),
    )


def _ticker(settings: Settings, store: SqlRunStore, bus: Bus, relay: OutboxRelay) -> Ticker:
    return Ticker(
        store,
        poll_seconds=settings.poll_seconds,
        orphan_scan_seconds=settings.orphan_scan_seconds,
        empty_queues=lambda: empty_queues(bus),
        outbox_age_seconds=lambda: relay.oldest_unpublished_seconds,
        hears=bus.healthy,
    )


def _inspector(settings: Settings, made: _Adapters, store: SqlInspectionStore) -> Inspector:
    live_seconds = settings.worker_live_seconds
    return Inspector(made.definitions, made.reader, made.prober, store, live_seconds=live_seconds)


def _keeper(settings: Settings, engine: AsyncEngine, reader: SqlRunReader) -> Keeper:
    archive = Archive(EvidenceStore(settings.archive), reader) if settings.archive else None
    evidence = EvidenceStore(settings.evidence)
    return Keeper(SqlRunKeeping(engine), evidence, keep_days=settings.keep_runs_days, archive=archive)


def limits_of(settings: Settings) -> Limits:
    return Limits(
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        grace_seconds=settings.grace_seconds,
        notice_seconds=settings.notice_seconds,
        pickup_seconds=settings.pickup_seconds,
        republish_seconds=settings.republish_seconds,
    )


def new_run_id() -> str:
    """A UUIDv7: 48 bits of milliseconds, then random bits, so that newer ids sort later."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))
