"""Notifications on a bad day: every end is told, under one stable id, whatever the store answers."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from steptrail_common.contracts.events import CloudEvent
from steptrail_common.contracts.notifier import RuleWrite
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import Unavailable
from steptrail_common.testing.faults import Faults, Kind, faulty_store
from steptrail_notifier.adapters.keys import SealedKeys
from steptrail_notifier.adapters.sql import SqlNotifierStore
from steptrail_notifier.domain.delivery import Attempt
from steptrail_notifier.domain.message import new_key
from steptrail_notifier.handlers import LEASE_SECONDS, send, take
from steptrail_notifier.ports import Channel, Claimed, DeliveryFilter

Ended = Callable[..., tuple[CloudEvent, RunEvent]]
URL = "https://hooks.example.com/"
ENDS = 12
ROUNDS = 60


class Receiver:
    """The way out: takes everything, and counts it by its stable id."""

    def __init__(self) -> None:
        self.got = Counter[str]()

    async def __call__(self, claimed: Claimed, channel: Channel, secret: str, at: datetime) -> Attempt:
        self.got[claimed.delivery_id] += 1
        return Attempt(200)


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """As the broker and the ticker do it: what raised is tried again."""
    while True:
        try:
            return await call()
        except Unavailable:
            continue


@pytest.mark.req("IR-8")
@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER, Kind.HANGS])
async def test_every_end_is_told_under_one_id_whatever_the_store_says(
    store: SqlNotifierStore, ended: Ended, clock: Any, keys: SealedKeys, kind: Kind
) -> None:
    """A claim whose answer was lost is due again after its lease; a finish that was lost sends once more, same id."""
    faults = Faults(5, {kind: 0.4}, hang_seconds=0.01)
    sealed = keys.seal(new_key(), channel_id="hook", url=URL)
    await store.add_channel(Channel("hook", "Hook", URL, sealed, True, clock.now(), clock.now()))
    await store.add_rule(RuleWrite(rule_id="all", channel_id="hook", on=["finished"]))
    failing, receiver = faulty_store(store, faults, ["recording", "claim", "finish"]), Receiver()
    for number in range(ENDS):
        event = ended(f"r{number}", minute=number)
        await again(lambda event=event: take([event], store=failing))
    for _ in range(ROUNDS):
        claimed = await again(lambda: failing.claim(limit=5, per_channel=5, busy=[], lease_seconds=LEASE_SECONDS))
        for one in claimed:
            try:
                await send(one, store=failing, carriers={"webhook": receiver}, keys=keys)
            except Unavailable:
                continue  # the sender's task ends; its lease does too
        clock.forward(seconds=LEASE_SECONDS)
    told = await store.deliveries(DeliveryFilter(), after=None, limit=100)
    assert [one.status for one in told] == ["delivered"] * ENDS
    assert receiver.got.keys() == {one.delivery_id for one in told}
    assert faults.made[kind] > ENDS
