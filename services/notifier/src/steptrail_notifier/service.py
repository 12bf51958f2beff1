"""The composition root of the notifier."""

import hashlib
from datetime import datetime

from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import Unavailable
from steptrail_common.outbox import OutboxRelay
from steptrail_common.replays import ReplayAsker
from steptrail_common.sealing import SecretsKeyring
from steptrail_common.service import Service

from steptrail_notifier.adapters.gate import PolicyGate
from steptrail_notifier.adapters.keys import SealedKeys
from steptrail_notifier.adapters.mail import Mails
from steptrail_notifier.adapters.schema import outbox
from steptrail_notifier.adapters.sql import SqlNotifierStore
from steptrail_notifier.adapters.webhook import Webhooks
from steptrail_notifier.config import Settings
from steptrail_notifier.entrypoints.events import EVENTS, subscribe
from steptrail_notifier.entrypoints.http import Tools, build_api
from steptrail_notifier.entrypoints.ticker import Sender
from steptrail_notifier.ports import Carriers


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """The notifier with its adapters; nothing is connected before it is started. `clock` replaces the database's."""
    token = settings.service_token.get_secret_value()
    store = SqlNotifierStore.open(settings.store, clock=clock)
    events = bus or connect(settings.bus, name="notifier")
    relay = OutboxRelay(store.engine, outbox, events, service="notifier")
    store.announced = relay.wake
    policy = EgressPolicy(settings.egress_allow, exceptions=settings.egress_exceptions, deny=settings.egress_deny)
    webhooks = Webhooks(policy)
    carriers: Carriers = {"webhook": webhooks, "email": Mails(policy, public_url=settings.public_url)}
    keyring = SecretsKeyring.of_settings(settings.private_keys, settings.private_key_files)
    keys = SealedKeys(settings.public_key, keyring)
    sender = Sender(store=store, carriers=carriers, keys=keys)
    tools = Tools(
        store=store,
        carriers=carriers,
        keys=keys,
        gate=PolicyGate(policy),
        wake=sender.wake,
        cursor_key=hashlib.sha256(f"notifier cursor {token}".encode()).digest(),
    )

    async def newest() -> datetime:
        return await store.newest() or await store.now()  # what ended before there was a notifier is told to nobody

    replays = ReplayAsker(events, EVENTS.queue, newest, types=["run.finished"])

    async def consume() -> None:
        await subscribe(events, store, replays, wake=sender.wake)

    async def broker() -> None:
        if not events.healthy():
            raise Unavailable("the connection to the broker is lost")

    checks = {"store": store.check, "broker": broker}
    return Service(
        name="notifier",
        app=build_api(tools, service_token=token, checks=checks),
        bus=events,
        background=[sender.run, sender.tidy, replays.run, relay.run],
        start=[store.start, events.start, consume, replays.start],
        stop=[store.close, webhooks.close],
        checks=checks,
    )
