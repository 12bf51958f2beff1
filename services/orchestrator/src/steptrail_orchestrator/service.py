"""The composition root of the orchestrator."""

import hashlib
import os
import time
from pathlib import Path
from uuid import UUID

from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock
from steptrail_common.database import migrate, open_engine
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_common.outbox import OutboxRelay
from steptrail_common.service import Service
from steptrail_common.web import ServiceClient

from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.catalog import CatalogClient
from steptrail_orchestrator.adapters.probing import BusProber
from steptrail_orchestrator.adapters.schema import outbox
from steptrail_orchestrator.adapters.sql import Chains, SqlRunReader, SqlRunStore
from steptrail_orchestrator.config import Settings
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.entrypoints.events import empty_queues, subscribe
from steptrail_orchestrator.entrypoints.http import Parts, build_api
from steptrail_orchestrator.entrypoints.ticker import Ticker


def build(
    settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None, catalog: ServiceClient | None = None
) -> Service:
    """The orchestrator with its adapters; nothing is connected before it is started.

    `clock` is part of every composition root; all moments here are the database's.
    """
    token = settings.service_token.get_secret_value()
    messages = bus or connect(settings.bus, name="orchestrator")
    engine = open_engine(settings.store)
    relay = OutboxRelay(engine, outbox, messages, service="orchestrator")
    limits = limits_of(settings)
    chains = Chains()
    live_seconds = settings.worker_live_seconds
    store = SqlRunStore(engine, limits=limits, worker_live_seconds=live_seconds, committed=relay.wake, chains=chains)
    reader = SqlRunReader(engine, chains)
    client = catalog or ServiceClient(settings.catalog_url, token)
    definitions = CatalogClient(client)
    prober = BusProber(messages)
    ticker = _ticker(settings, store, messages, relay)

    async def prepare() -> None:
        await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))

    async def consume() -> None:
        await prober.start()
        await subscribe(messages, store=store, catalog=definitions, limits=limits, poke=ticker.poke)

    async def close() -> None:
        await engine.dispose()
        if catalog is None:
            await client.aclose()

    async def broker() -> None:
        if not messages.healthy():
            raise Unavailable("the connection to the broker is lost")

    checks = {"store": reader.check, "broker": broker}
    parts = Parts(
        store=store,
        reader=reader,
        catalog=definitions,
        prober=prober,
        evidence=EvidenceStore(settings.evidence),
        bus=messages,
        limits=limits,
        live_seconds=live_seconds,
        poke=ticker.poke,
        new_run_id=new_run_id,
        cursor_key=hashlib.sha256(f"orchestrator cursor {token}".encode()).digest(),
    )
    return Service(
        name="orchestrator",
        app=build_api(parts, service_token=token, checks=checks),
        bus=messages,
        background=[relay.run, ticker.run],
        start=[prepare, messages.start, consume],
        stop=[close],
        checks=checks,
    )


def _ticker(settings: Settings, store: SqlRunStore, bus: Bus, relay: OutboxRelay) -> Ticker:
    return Ticker(
        store,
        poll_seconds=settings.poll_seconds,
        orphan_scan_seconds=settings.orphan_scan_seconds,
        empty_queues=lambda: empty_queues(bus),
        outbox_age_seconds=lambda: relay.oldest_unpublished_seconds,
    )


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
