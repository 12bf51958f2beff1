"""Outbox, relay and inbox keep their promises on PostgreSQL and on SQLite."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common import inbox, outbox
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Destination, Message, PublishFailed, Subscription
from steptrail_common.database import open_engine, writing
from steptrail_common.outbox import OutboxRelay
from steptrail_common.testing.bus_contract import Collector, eventually, message

METADATA = sa.MetaData()
OUTBOX = outbox.outbox_table(METADATA)
INBOX = inbox.inbox_table(METADATA)
ORDERS = sa.Table("orders", METADATA, sa.Column("number", sa.Integer, primary_key=True))
QUEUE = Destination(queue="orders")


@pytest.fixture(params=["postgresql", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("fresh_postgres"))
    return f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
async def engine(store: str) -> AsyncIterator[AsyncEngine]:
    """The database with the tables."""
    made = open_engine(store)
    async with writing(made) as connection:
        await connection.run_sync(METADATA.create_all)
    yield made
    await made.dispose()


class FaultyBus(InProcessBus):
    """The in-process bus with the faults of a real one: nothing arrives, or it arrives and the confirm does not."""

    def __init__(self, broker: InProcessBroker) -> None:
        super().__init__(broker)
        self.away = False
        self.confirm_lost = False
        self.bulks: list[int] = []
        self.pause_seconds = 0.0

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        if self.away:
            raise PublishFailed("the broker is away")
        await super().publish(messages)
        self.bulks.append(len(messages))
        await asyncio.sleep(self.pause_seconds)
        if self.confirm_lost:
            raise PublishFailed("no confirm")


@pytest.fixture
async def bus() -> AsyncIterator[FaultyBus]:
    """A bus that can fail."""
    made = FaultyBus(InProcessBroker())
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def got(bus: FaultyBus) -> Collector:
    """What arrived."""
    collector = Collector()
    await bus.subscribe(Subscription("orders", batch_max=1000), collector)
    return collector


@asynccontextmanager
async def running(*relays: OutboxRelay) -> AsyncIterator[None]:
    """Relays at work until the end of the block."""
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def put(engine: AsyncEngine, *texts: str) -> None:
    async with writing(engine) as connection:
        await outbox.insert(connection, OUTBOX, [(QUEUE, message(text)) for text in texts])


async def waiting(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(sa.select(sa.func.count()).select_from(OUTBOX))).scalar_one())


async def emptied(engine: AsyncEngine) -> None:
    """Wait until the relay's deletion is committed, which is after the arrival."""
    async with asyncio.timeout(10):
        while await waiting(engine):  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0.01)


@pytest.mark.req("NFR-009")
async def test_a_message_leaves_only_with_its_transaction(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """Rolled back, neither the state nor the message is there; committed, both are."""
    with pytest.raises(RuntimeError):  # noqa: PT012 - the whole transaction fails
        async with writing(engine) as connection:
            await connection.execute(sa.insert(ORDERS).values(number=1))
            await outbox.insert(connection, OUTBOX, [(QUEUE, message("rolled back"))])
            raise RuntimeError("the handler failed")
    async with writing(engine) as connection:
        await connection.execute(sa.insert(ORDERS).values(number=2))
        await outbox.insert(connection, OUTBOX, [(QUEUE, message("committed"))])
    assert await OutboxRelay(engine, OUTBOX, bus).publish_batch() == 1
    await eventually(lambda: got.texts == ["committed"])
    assert await waiting(engine) == 0


async def test_a_message_arrives_as_it_was_written(engine: AsyncEngine, bus: FaultyBus) -> None:
    """Body, identity, type, headers and topic pass through the table unchanged."""
    facts = Collector()
    await bus.subscribe(Subscription("facts", ("run.#",)), facts)
    sent = Message(b"\x00\xff\n", "the-id", "application/cloudevents+json", {"position": "7", "ü": "é"})
    async with writing(engine) as connection:
        await outbox.insert(connection, OUTBOX, [(Destination(topic="run.finished.a"), sent)])
    await OutboxRelay(engine, OUTBOX, bus).publish_batch()
    await eventually(lambda: len(facts.batches) == 1)
    arrived = facts.batches[0][0]
    assert (arrived.routing_key, arrived.message.body, arrived.message.dedup_id, arrived.message.content_type) == (
        "run.finished.a",
        sent.body,
        sent.dedup_id,
        sent.content_type,
    )
    assert {**arrived.message.headers} == {**sent.headers}


async def test_a_dedup_id_that_already_waits_is_written_once(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """The same fact written twice, by one transaction or two, leaves once."""
    await put(engine, "same", "same")
    await put(engine, "same", "other")
    await OutboxRelay(engine, OUTBOX, bus).publish_batch()
    await eventually(lambda: got.texts == ["same", "other"])


@pytest.mark.req("NFR-006")
async def test_what_could_not_be_published_is_published_later(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """While the broker is away rows stay and their age is known; afterwards they leave, in order."""
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.05)
    bus.away = True
    await put(engine, *(f"{n}" for n in range(5)))
    async with running(relay):
        await eventually(lambda: relay.oldest_unpublished_seconds > 0.1)
        assert await waiting(engine) == 5
        bus.away = False
        await eventually(lambda: got.texts == ["0", "1", "2", "3", "4"])
        await eventually(lambda: relay.oldest_unpublished_seconds == 0)
        await emptied(engine)


@pytest.mark.req("NFR-006")
async def test_a_lost_confirm_publishes_again(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """Unknown outcome means again: twice is allowed, never is not."""
    relay = OutboxRelay(engine, OUTBOX, bus)
    bus.confirm_lost = True
    await put(engine, "unsure")
    with pytest.raises(PublishFailed):
        await relay.publish_batch()
    bus.confirm_lost = False
    assert await relay.publish_batch() == 1
    await eventually(lambda: got.texts == ["unsure", "unsure"])
    assert {delivery.message.dedup_id for batch in got.batches for delivery in batch} == {"id-unsure"}


@pytest.mark.req("NFR-006")
async def test_a_relay_that_dies_after_publishing_loses_nothing(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """Killed between publish and commit: the rows stay and the next relay publishes them."""
    await put(engine, "one", "two")
    bus.pause_seconds = 60
    dying = asyncio.create_task(OutboxRelay(engine, OUTBOX, bus).run())
    await eventually(lambda: got.texts == ["one", "two"])
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await waiting(engine) == 2
    bus.pause_seconds = 0
    await OutboxRelay(engine, OUTBOX, bus).publish_batch()
    await eventually(lambda: got.texts == ["one", "two"] * 2)
    assert await waiting(engine) == 0


@pytest.mark.req("NFR-015")
async def test_relays_side_by_side_publish_each_row_once(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """Two replicas share the work without publishing twice, while rows are still being written."""
    bus.pause_seconds = 0.005
    relays = [OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.01) for _ in range(2)]
    async with running(*relays):
        for start in range(0, 1500, 50):
            await put(engine, *(f"{n}" for n in range(start, start + 50)))
            for relay in relays:
                relay.wake()
        await eventually(lambda: len(set(got.texts)) == 1500)
        await emptied(engine)
    assert len(got.texts) == 1500


async def test_rows_leave_in_bulk_and_in_order(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """A backlog leaves in bulks of at most 500, oldest first."""
    await put(engine, *(f"{n}" for n in range(1200)))
    async with running(OutboxRelay(engine, OUTBOX, bus)):
        await eventually(lambda: len(got.texts) == 1200)
        await emptied(engine)
    assert got.texts == [f"{n}" for n in range(1200)]
    assert bus.bulks == [500, 500, 200]


@pytest.mark.req("NFR-004")
async def test_a_woken_relay_publishes_at_once(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """From commit to publication a few milliseconds, however long the poll."""
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=30)
    delays = []
    async with running(relay):
        for number in range(10):
            await put(engine, f"{number}")
            started = time.perf_counter()
            relay.wake()
            while len(got.texts) <= number:  # noqa: ASYNC110 - finer than any event of the collector
                await asyncio.sleep(0.0005)
            delays.append(time.perf_counter() - started)
    assert sorted(delays)[5] < 0.05


async def handed_over(relay: OutboxRelay, engine: AsyncEngine, *texts: str) -> None:
    """Commit, then hand over what was committed."""
    await put(engine, *texts)
    relay.hand_over([(QUEUE, message(text)) for text in texts])


async def test_what_is_handed_over_leaves_from_memory(engine: AsyncEngine, bus: FaultyBus, got: Collector) -> None:
    """It leaves once although polls find its row, in the order it was given, and its row is deleted afterwards."""
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.01, patience_seconds=30)
    async with running(relay):
        for number in range(20):
            await handed_over(relay, engine, f"{number}")
        await eventually(lambda: len(got.texts) == 20)
        await emptied(engine)
    assert got.texts == [f"{number}" for number in range(20)]


@pytest.mark.req("NFR-006")
async def test_what_was_handed_over_and_not_confirmed_leaves_from_the_table(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """The rows are the truth: while the broker is away they stay, and their age is known."""
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.05, patience_seconds=30)
    bus.away = True
    async with running(relay):
        await handed_over(relay, engine, "one", "two")
        await eventually(lambda: relay.oldest_unpublished_seconds > 0.1)
        assert await waiting(engine) == 2
        bus.away = False
        await eventually(lambda: got.texts == ["one", "two"])
        await eventually(lambda: relay.oldest_unpublished_seconds == 0)
        await emptied(engine)


@pytest.mark.req("NFR-006")
async def test_what_was_handed_over_to_a_relay_that_died_is_found(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """A replica that dies with messages in its memory: another one leaves them alone for a while, then sends them."""
    dead = OutboxRelay(engine, OUTBOX, bus)
    await handed_over(dead, engine, "one")
    other = OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.05)
    assert await other.publish_batch(patience_seconds=30) == 0
    async with running(other):
        await eventually(lambda: got.texts == ["one"])
        await emptied(engine)


async def test_more_than_memory_should_hold_is_read_from_the_table(
    engine: AsyncEngine, bus: FaultyBus, got: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is handed over beyond the limit is forgotten at once; its rows leave all the same."""
    monkeypatch.setattr(outbox, "HANDED_OVER_MOST", 2)
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=30, patience_seconds=30)
    await handed_over(relay, engine, "one", "two")
    await handed_over(relay, engine, "three")
    async with running(relay):
        await eventually(lambda: sorted(set(got.texts)) == ["one", "three", "two"])
        await emptied(engine)


async def test_a_relay_that_falls_behind_publishes_each_row_once(
    engine: AsyncEngine, bus: FaultyBus, got: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than it can publish for a while: what left from memory does not leave from the table as well."""
    monkeypatch.setattr(outbox, "HANDED_OVER_MOST", 100)
    monkeypatch.setattr(outbox, "FORGET_SECONDS", 2.0)
    bus.pause_seconds = 0.05
    relay = OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.01, patience_seconds=30)
    async with running(relay):
        for start in range(0, 2000, 20):
            await handed_over(relay, engine, *(f"{n}" for n in range(start, start + 20)))
        await eventually(lambda: len(set(got.texts)) == 2000)
        await emptied(engine)
        await handed_over(relay, engine, "from memory again")
        await eventually(lambda: got.texts[-1:] == ["from memory again"])
        await emptied(engine)
    assert len(got.texts) == 2001


async def test_what_is_dropped_while_a_full_table_is_read_leaves_soon(
    engine: AsyncEngine, bus: FaultyBus, got: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long reading took: it does not wait for the patience towards other replicas."""
    monkeypatch.setattr(outbox, "HANDED_OVER_MOST", 1)
    bus.pause_seconds = 2 * outbox.SETTLING_SECONDS
    relay = OutboxRelay(engine, OUTBOX, bus, patience_seconds=3600)
    await put(engine, "first", "second")
    await asyncio.sleep(1.2 * outbox.SETTLING_SECONDS)
    relay.hand_over([(QUEUE, message("first")), (QUEUE, message("second"))])  # more than memory should hold
    async with running(relay):
        await eventually(lambda: len(got.texts) == 2)
        await asyncio.sleep(1.5 * outbox.SETTLING_SECONDS)  # of the two for which their confirm is awaited
        await handed_over(relay, engine, "third")
        await eventually(lambda: got.texts[2:] == ["third"])


async def test_an_unwoken_relay_finds_rows_of_a_dead_replica(
    engine: AsyncEngine, bus: FaultyBus, got: Collector
) -> None:
    """Rows whose writer died before it could wake anyone leave at the next poll."""
    async with running(OutboxRelay(engine, OUTBOX, bus, poll_seconds=0.05)):
        await asyncio.sleep(0.1)
        await put(engine, "orphan")
        await eventually(lambda: got.texts == ["orphan"])


@pytest.mark.parametrize(
    "destination",
    [
        Destination(),
        Destination(queue="q", topic="t"),
        Destination(topic="x" * 256),
        Destination(queue="q", reply=True),
    ],
)
async def test_a_destination_no_broker_takes_is_refused_where_it_is_made(
    engine: AsyncEngine, destination: Destination
) -> None:
    """Such a row would hold up everything behind it for ever."""
    async with writing(engine) as connection:
        with pytest.raises(ValueError, match=r"exactly one|at most 255"):
            await outbox.insert(connection, OUTBOX, [(destination, message("lost"))])


@pytest.mark.req("NFR-009")
async def test_the_inbox_knows_what_was_handled(engine: AsyncEngine) -> None:
    """Only ids not seen before are fresh; repeats inside one batch count once."""
    async with writing(engine) as connection:
        assert await inbox.fresh(connection, INBOX, ["a", "b", "a"]) == {"a", "b"}
        assert await inbox.fresh(connection, INBOX, []) == set()
    async with writing(engine) as connection:
        assert await inbox.fresh(connection, INBOX, ["b", "c", "it's; --"]) == {"c", "it's; --"}


@pytest.mark.req("NFR-009")
async def test_a_rolled_back_message_is_fresh_again(engine: AsyncEngine) -> None:
    """The note belongs to the effect's transaction: no effect, no note."""
    with pytest.raises(RuntimeError):  # noqa: PT012 - the whole transaction fails
        async with writing(engine) as connection:
            await inbox.fresh(connection, INBOX, ["a"])
            raise RuntimeError("the handler failed")
    async with writing(engine) as connection:
        assert await inbox.fresh(connection, INBOX, ["a"]) == {"a"}


@pytest.mark.req("NFR-015")
async def test_two_replicas_with_the_same_messages_handle_each_once(engine: AsyncEngine) -> None:
    """Delivered to two replicas at the same moment, in another order, exactly one finds each id fresh."""

    async def handle(ids: list[str]) -> set[str]:
        async with writing(engine) as connection:
            return await inbox.fresh(connection, INBOX, ids)

    ids = [f"{n}" for n in range(200)]
    one, two = await asyncio.gather(handle(ids), handle(ids[::-1]))
    assert one | two == set(ids)
    assert not one & two


async def test_prune_forgets_only_what_is_old(engine: AsyncEngine) -> None:
    """Older than the given time by the database's clock."""
    async with writing(engine) as connection:
        await inbox.fresh(connection, INBOX, ["a", "b"])
    async with writing(engine) as connection:
        assert await inbox.prune(connection, INBOX, timedelta(hours=1)) == 0
        assert await inbox.prune(connection, INBOX, timedelta(hours=-1)) == 2
        assert await inbox.fresh(connection, INBOX, ["a"]) == {"a"}
