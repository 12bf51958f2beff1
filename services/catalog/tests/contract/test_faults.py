"""Definitions on a bad day: what a client repeats is saved once, and every change is told."""

from collections import Counter
from typing import Any

import pytest
from steptrail_catalog.ports import Revision
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import PublishFailed, Subscription
from steptrail_common.errors import Stale, Unavailable
from steptrail_common.testing.bus_contract import Collector, eventually
from steptrail_common.testing.faults import EVERYTHING, Faults, FaultyBus, Kind, faulty_store

from .test_process_store import revision, told

SAVES = 12


async def saved(store: Any, made: Revision) -> None:
    """A client that repeats what failed; that somebody saved this revision meanwhile may be itself."""
    while True:
        try:
            await store.save(made, told(made.revision))
            return
        except Unavailable:
            continue
        except Stale:
            assert (await store.get("orders")).current.definition["owner"] == made.definition["owner"]
            return


@pytest.mark.req("FR-005")
@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER, Kind.HANGS])
async def test_a_repeated_save_is_one_revision_and_every_one_is_told(stores: Any, kind: Kind) -> None:
    """No revision is lost or written twice, and each is told at least once through a bus that fails as well."""
    faults = Faults(11, {kind: 0.5}, hang_seconds=0.01)
    failing = faulty_store(stores.processes, faults, ["save"])
    await stores.processes.create(revision(), told(1))
    for number in range(2, SAVES + 1):
        await saved(failing, revision(number=number, owner=f"owner-{number}"))
    kept = await stores.processes.revisions("orders", before=None, limit=50)
    assert [item.revision for item in kept] == list(range(SAVES, 0, -1))
    assert [item.definition.get("owner") for item in kept[:-1]] == [f"owner-{n}" for n in range(SAVES, 1, -1)]
    assert faults.made[kind] > 2
    await _told_to_everyone(stores)


async def _told_to_everyone(stores: Any) -> None:
    broker, heard = InProcessBroker(), Collector()
    bus = FaultyBus(InProcessBus(broker), Faults(12, EVERYTHING, hang_seconds=0.01, held_seconds=0.02))
    await bus.start()
    await bus.subscribe(Subscription("listener", patterns=("process.#",)), heard)
    left = 1
    while left:
        try:
            left = await stores.relay_to(bus)
        except PublishFailed:
            continue
    await eventually(lambda: len(set(heard.texts)) == SAVES)
    assert Counter(heard.texts).keys() == {str(number) for number in range(1, SAVES + 1)}
    await bus.close()
