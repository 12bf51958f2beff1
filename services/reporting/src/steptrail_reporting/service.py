"""The composition root of reporting."""

import hashlib

from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.errors import Unavailable
from steptrail_common.replays import ReplayAsker
from steptrail_common.service import Service

from steptrail_reporting.adapters.sql import SqlFactStore
from steptrail_reporting.config import Settings
from steptrail_reporting.entrypoints.events import EVENTS, subscribe
from steptrail_reporting.entrypoints.http import build_api


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """Reporting with its adapters; nothing is connected before it is started."""
    token = settings.service_token.get_secret_value()
    store = SqlFactStore.open(settings.store)
    events = bus or connect(settings.bus, name="reporting")

    replays = ReplayAsker(events, EVENTS.queue, store.newest)

    async def consume() -> None:
        await subscribe(events, store, replays)

    async def broker() -> None:
        if not events.healthy():
            raise Unavailable("the connection to the broker is lost")

    checks = {"store": store.check, "broker": broker}
    return Service(
        name="reporting",
        app=build_api(
            store=store,
            clock=clock or SystemClock(),
            service_token=token,
            cursor_key=hashlib.sha256(f"reporting cursor {token}".encode()).digest(),
            checks=checks,
        ),
        bus=events,
        background=[replays.run],
        start=[store.start, events.start, consume, replays.start],
        stop=[store.close],
        checks=checks,
    )
