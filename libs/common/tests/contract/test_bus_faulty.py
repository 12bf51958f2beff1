"""The bus on a bad day: all that the port promises still holds for whoever uses it as the port says."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Delivery, Destination, PublishFailed, Subscription
from steptrail_common.errors import Unavailable
from steptrail_common.testing.bus_contract import Collector, eventually, message, queue_name
from steptrail_common.testing.faults import EVERYTHING, Faults, FaultyBus, Kind, faulty_store

ONE_EACH = 1.0


@pytest.fixture
async def broker() -> InProcessBroker:
    return InProcessBroker()


async def bus_with(broker: InProcessBroker, faults: Faults) -> FaultyBus:
    bus = FaultyBus(InProcessBus(broker), faults)
    await bus.start()
    return bus


@pytest.mark.parametrize(
    ("kind", "fails", "arrive"),
    [
        (Kind.BEFORE, True, [0]),
        (Kind.HANGS, True, [0]),
        (Kind.AFTER, True, [1]),
        (Kind.TWICE, False, [2, 3, 4, 5]),
        (Kind.REORDERED, False, [1]),
    ],
)
async def test_each_fault_of_publishing_does_what_it_says(
    broker: InProcessBroker, kind: Kind, fails: bool, arrive: list[int]
) -> None:
    """Whether the publisher is told that it failed, and how many messages arrived all the same."""
    bus, queue = await bus_with(broker, Faults(1, {kind: ONE_EACH}, hang_seconds=0.01)), queue_name()
    try:
        await bus.publish([(Destination(queue=queue), message("one"))])
        failed = False
    except PublishFailed:
        failed = True
    assert failed == fails
    assert broker.depths().get(queue, 0) in arrive
    await bus.close()


@pytest.mark.parametrize(("kind", "calls"), [(Kind.BEFORE, 0), (Kind.AFTER, 1), (Kind.TWICE, 2), (Kind.REORDERED, 1)])
async def test_each_fault_of_delivering_leaves_the_message_handled(
    broker: InProcessBroker, kind: Kind, calls: int
) -> None:
    """The handler is called as often as the fault says, and once more where the delivery came again."""
    bus, queue, got = await bus_with(broker, Faults(1, {kind: ONE_EACH}, most=1)), queue_name(), Collector()
    calm = InProcessBus(broker)
    await calm.start()
    await bus.subscribe(Subscription(queue), got)
    await calm.publish([(Destination(queue=queue), message("one"))])
    again = kind in (Kind.BEFORE, Kind.AFTER)
    await eventually(lambda: len(got.texts) >= calls + again)
    assert set(got.texts) == {"one"}
    await bus.close()
    await calm.close()


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("seed", range(5))
async def test_who_repeats_and_drops_repeats_has_everything_once(broker: InProcessBroker, seed: int) -> None:
    """A publisher that tries again and a consumer that knows dedup ids, under all faults together."""
    faults = Faults(seed, EVERYTHING, hang_seconds=0.01, held_seconds=0.02)
    bus, queue, known = await bus_with(broker, faults), queue_name(), Counter[str]()

    async def take(deliveries: Sequence[Delivery]) -> None:
        known.update(one.message.dedup_id for one in deliveries)

    await bus.subscribe(Subscription(queue, batch_max=10, concurrency=4), take)
    for number in range(100):
        while True:
            try:
                await bus.publish([(Destination(queue=queue), message(str(number)))])
                break
            except PublishFailed:
                continue
    await eventually(lambda: len(known) == 100, 30)
    assert faults.made.keys() == set(Kind), "every kind of fault was made"
    assert known.total() > 100, "something came more than once"
    await bus.close()


async def test_the_same_seed_makes_the_same_faults() -> None:
    """So that what went wrong can be played again."""
    one, two, other = (Faults(seed, EVERYTHING) for seed in (7, 7, 8))
    drawn = [[faults.draw(Kind) for _ in range(50)] for faults in (one, two, other)]
    assert drawn[0] == drawn[1] != drawn[2]


class Ledger:
    """A store of one number."""

    def __init__(self) -> None:
        self.total = 0

    async def add(self, number: int) -> int:
        await asyncio.sleep(0)
        self.total += number
        return self.total

    async def read(self) -> int:
        return self.total


@pytest.mark.parametrize(
    ("kind", "total"), [(Kind.BEFORE, 0), (Kind.HANGS, 0), (Kind.AFTER, 5), (Kind.TWICE, 10), (Kind.REORDERED, 5)]
)
async def test_each_fault_of_a_store_does_what_it_says(kind: Kind, total: int) -> None:
    """Only the named methods fail; the error is the one that a store raises when its database is away."""
    ledger = Ledger()
    store = faulty_store(ledger, Faults(1, {kind: ONE_EACH}, hang_seconds=0.01), ["add"])
    if kind in (Kind.BEFORE, Kind.HANGS, Kind.AFTER):
        with pytest.raises(Unavailable, match="on purpose"):
            await store.add(5)
    else:
        await store.add(5)
    assert await store.read() == total
