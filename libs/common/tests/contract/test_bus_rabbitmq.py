"""The RabbitMQ bus keeps the bus contract, and survives what happens to connections and queues."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import aio_pika
import pytest
from steptrail_common.bus import rabbitacks, rabbitconsumer
from steptrail_common.bus.port import Bus, Delivery, Destination, PublishFailed, Subscription
from steptrail_common.bus.rabbitmq import RabbitBus
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.testing.bus_contract import (
    BusContract,
    Collector,
    MakeBus,
    depth,
    eventually,
    message,
    queue_name,
    texts,
)
from steptrail_common.testing.plugin import RABBITMQ, Servers
from steptrail_common.testing.process import GivenServer, Server
from steptrail_common.testing.tcp_proxy import TcpProxy
from yarl import URL


async def clean_up(*buses: RabbitBus) -> None:
    """Close, and delete the queues of the test: the broker is shared by the session."""
    names: set[str] = set()
    for bus in buses:
        if bus.healthy():
            names |= set(await bus.queue_depths())
        await bus.close()
    async with await aio_pika.connect(buses[0]._publishing._url) as connection, connection.channel() as channel:
        for name in names:
            await channel.queue_delete(name)


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    """A proxy before the broker that tests may cut."""
    url = URL(rabbitmq_url)
    made = TcpProxy(url.host or "127.0.0.1", url.port or 5672)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    """A bus straight to the broker."""
    made = RabbitBus(rabbitmq_url, name="test")
    await made.start()
    yield made
    await clean_up(made)


@pytest.fixture
async def cut_bus(rabbitmq_url: str, proxy: TcpProxy) -> AsyncIterator[RabbitBus]:
    """A bus through the proxy."""
    url = str(URL(rabbitmq_url).with_host("127.0.0.1").with_port(proxy.port))
    made = RabbitBus(url, name="test", start_timeout_seconds=5, publish_timeout_seconds=2)
    await made.start()
    yield made
    await clean_up(made)


@pytest.fixture
async def admin(rabbitmq_url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A plain channel to do to the broker what an administrator might."""
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        yield channel


class TestRabbitBus(BusContract):
    """Several services on one broker."""

    @pytest.fixture
    async def make_bus(self, rabbitmq_url: str) -> AsyncIterator[MakeBus]:
        made: list[RabbitBus] = []

        async def make() -> Bus:
            bus = RabbitBus(rabbitmq_url, name="test")
            await bus.start()
            made.append(bus)
            return bus

        yield make
        await clean_up(*made)


@pytest.mark.req("NFR-006")
async def test_after_a_lost_connection_both_ways_work_again(cut_bus: RabbitBus, proxy: TcpProxy) -> None:
    """Connections come back by themselves; consumers go on, publishing works."""
    queue, got = queue_name(), Collector()
    await cut_bus.subscribe(Subscription(queue), got)
    await cut_bus.publish([(Destination(queue=queue), message("before"))])
    await eventually(lambda: got.texts == ["before"])
    proxy.cut()
    await eventually(lambda: not cut_bus.healthy())
    await eventually(cut_bus.healthy)
    await cut_bus.publish([(Destination(queue=queue), message("after"))])
    await eventually(lambda: "after" in got.texts)


@pytest.mark.req("NFR-006")
async def test_work_under_way_is_not_cancelled_by_a_lost_connection(cut_bus: RabbitBus, proxy: TcpProxy) -> None:
    """The handler ends; its message comes again, because its acknowledgement could not be sent."""
    queue, may_end = queue_name(), asyncio.Event()
    ended: list[str] = []

    async def slow(deliveries: Sequence[Delivery]) -> None:
        await may_end.wait()
        ended.extend(texts(deliveries))

    got = Collector(slow)
    await cut_bus.subscribe(Subscription(queue), got)
    await cut_bus.publish([(Destination(queue=queue), message("work"))])
    await eventually(lambda: got.texts == ["work"])
    proxy.cut()
    await eventually(lambda: not cut_bus.healthy())
    await eventually(cut_bus.healthy)
    may_end.set()
    await eventually(lambda: ended == ["work", "work"])
    assert got.batches[1][0].redelivered
    assert got.batches[0][0].message.dedup_id == got.batches[1][0].message.dedup_id
    await depth(cut_bus, queue, 0)


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("concurrency", [3, 100], ids=["at once", "collected"])
async def test_what_is_done_acknowledges_nothing_that_is_not(
    cut_bus: RabbitBus, proxy: TcpProxy, concurrency: int
) -> None:
    """Acknowledgements travel together, but never with that of an earlier message whose handler still works."""
    queue, never = queue_name(), asyncio.Event()

    async def first_one_hangs(deliveries: Sequence[Delivery]) -> None:
        if texts(deliveries) == ["slow"] and not deliveries[0].redelivered:
            await never.wait()

    got = Collector(first_one_hangs)
    await cut_bus.subscribe(Subscription(queue, concurrency=concurrency), got)
    await cut_bus.publish([(Destination(queue=queue), message(text)) for text in ("slow", "quick", "quicker")])
    await eventually(lambda: sorted(got.texts) == ["quick", "quicker", "slow"])
    await asyncio.sleep(0.2)  # the acknowledgements are on their way
    proxy.cut()
    await eventually(lambda: got.texts.count("slow") == 2)
    never.set()
    await depth(cut_bus, queue, 0)
    assert sorted(got.texts) == ["quick", "quicker", "slow", "slow"]


@pytest.mark.req("NFR-006")
async def test_what_was_handled_at_the_end_comes_to_nobody_else(rabbitmq_url: str, bus: RabbitBus) -> None:
    """A service that stops acknowledges what it collected for a moment."""
    queue, got, later = queue_name(), Collector(), Collector()
    stopping = RabbitBus(rabbitmq_url, name="test")
    await stopping.start()
    await stopping.subscribe(Subscription(queue, concurrency=100), got)
    await bus.publish([(Destination(queue=queue), message(text)) for text in ("one", "two")])
    await eventually(lambda: sorted(got.texts) == ["one", "two"])
    await stopping.drain(1)
    await stopping.close()
    await bus.subscribe(Subscription(queue), later)
    await bus.publish([(Destination(queue=queue), message("three"))])
    await eventually(lambda: later.texts == ["three"])


async def test_a_consumer_of_few_is_acknowledged_at_once(bus: RabbitBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one delivery at a time is taken, the next must not wait for acknowledgements to collect."""
    monkeypatch.setattr(rabbitacks, "COLLECT_SECONDS", 3600)
    queue, got = queue_name(), Collector()
    await bus.subscribe(Subscription(queue), got)
    await bus.publish([(Destination(queue=queue), message(text)) for text in ("one", "two", "three")])
    await eventually(lambda: got.texts == ["one", "two", "three"])


@pytest.mark.req("NFR-006")
async def test_what_another_replica_published_is_counted_by_name(bus: RabbitBus, cut_bus: RabbitBus) -> None:
    """Who has not published to a queue must not take it for empty; one that nobody knows yet is."""
    queue, new = queue_name(), queue_name()
    await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(3)])
    await depth(bus, queue, 3)
    found = await cut_bus.queue_depths([queue, new])
    assert (found[queue], found[new]) == (3, 0)


async def test_work_leaves_before_what_is_told_of_it(bus: RabbitBus) -> None:
    """A request is not held up by events that were committed with it and stand before it."""
    queue, topic = queue_name(), queue_name("topic")
    arrived: list[str] = []

    async def note(deliveries: Sequence[Delivery]) -> None:
        arrived.extend(texts(deliveries))

    await bus.subscribe(Subscription(queue), note)
    await bus.subscribe(Subscription(queue_name("told"), (topic,), shared=False), note)
    for _ in range(5):
        arrived.clear()
        await bus.publish([(Destination(topic=topic), message("told")), (Destination(queue=queue), message("work"))])
        await eventually(lambda: len(arrived) == 2)
        assert arrived == ["work", "told"]


async def test_an_exclusive_queue_is_declared_again_and_the_gap_is_told(cut_bus: RabbitBus, proxy: TcpProxy) -> None:
    """After a loss the fan-out queue and its bindings are there again, and the subscriber knows of the hole."""
    holes: list[str] = []
    got, topic = Collector(), queue_name("topic")
    subscription = Subscription(queue_name("sse"), (topic,), shared=False, resubscribed=lambda: holes.append("hole"))
    await cut_bus.subscribe(subscription, got)
    assert holes == []
    proxy.cut()
    await eventually(lambda: holes == ["hole"])
    await cut_bus.publish([(Destination(topic=topic), message("after"))])
    await eventually(lambda: got.texts == ["after"])


@pytest.mark.req("NFR-008")
async def test_publishing_fails_in_time_when_the_broker_is_away(cut_bus: RabbitBus, proxy: TcpProxy) -> None:
    """No endless waiting: the outcome is unknown and said so; later the same bus publishes again."""
    queue = queue_name()
    await proxy.refuse()
    with pytest.raises(PublishFailed):
        await asyncio.wait_for(cut_bus.publish([(Destination(queue=queue), message("lost"))]), 5)
    await proxy.start()
    await eventually(cut_bus.healthy)
    await cut_bus.publish([(Destination(queue=queue), message("found"))])
    await depth(cut_bus, queue, 1)


@pytest.mark.req("NFR-008")
async def test_publishing_fails_in_time_when_the_network_swallows_everything(
    cut_bus: RabbitBus, proxy: TcpProxy
) -> None:
    """A black hole gives no error by itself: the time limit does; the same bus works on when the hole closes."""
    queue = queue_name()
    await cut_bus.publish([(Destination(queue=queue), message("one"))])
    proxy.swallow()
    with pytest.raises(PublishFailed, match="no confirm within 2 s"):
        await asyncio.wait_for(cut_bus.publish([(Destination(queue=queue), message("two"))]), 5)
    proxy.swallow(False)
    await cut_bus.publish([(Destination(queue=queue), message("three"))])
    await depth(cut_bus, queue, 3)


@pytest.mark.req("NFR-006")
async def test_a_subscription_on_a_connection_that_got_stuck_gets_another_one(
    bus: RabbitBus, cut_bus: RabbitBus, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deliveries that come after their channel was given up block the client library's reader: nothing is answered
    on it any more, and no error says so. The subscription does not wait for one; its limits are short here."""
    monkeypatch.setattr(rabbitconsumer, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(rabbitconsumer, "CALL_TIMEOUT_SECONDS", 0.7)
    queue, got = queue_name(), Collector()
    await cut_bus.subscribe(Subscription(queue, batch_max=50), got)
    proxy.swallow()
    await bus.publish([(Destination(queue=queue), message(str(number))) for number in range(60)])
    await asyncio.sleep(1.2)
    proxy.swallow(False)
    async with asyncio.timeout(25):
        while len(set(got.texts)) < 60:  # noqa: ASYNC110 - the broker has no event
            await asyncio.sleep(0.05)


@pytest.mark.req("NFR-006")
async def test_nothing_confirmed_is_lost_over_many_cuts(cut_bus: RabbitBus, proxy: TcpProxy) -> None:
    """Publisher and consumer are cut again and again; every message whose publish succeeded is handled."""
    queue, got = queue_name(), Collector()
    confirmed: list[str] = []
    await cut_bus.subscribe(Subscription(queue, batch_max=20), got)

    async def publish() -> None:
        for number in range(60):
            bulk = [(Destination(queue=queue), message(f"{number}-{n}")) for n in range(10)]
            while True:
                try:
                    await cut_bus.publish(bulk)
                    break
                except PublishFailed:
                    continue
            confirmed.extend(f"{number}-{n}" for n in range(10))

    async def cut() -> None:
        for _ in range(6):
            await asyncio.sleep(0.15)
            proxy.cut()

    await asyncio.wait_for(asyncio.gather(publish(), cut()), 60)
    await eventually(lambda: set(confirmed) <= set(got.texts), 30)
    await eventually(cut_bus.healthy)
    await depth(cut_bus, f"{queue}.dead", 0)


@pytest.mark.req("NFR-006")
async def test_deleted_queues_come_back(bus: RabbitBus, admin: aio_pika.abc.AbstractChannel) -> None:
    """Someone deletes a queue in mid-run: consumer and publisher declare it again."""
    queue, got = queue_name(), Collector()
    await bus.subscribe(Subscription(queue), got)
    await admin.queue_delete(queue)
    await bus.publish([(Destination(queue=queue), message("after"))])
    await eventually(lambda: got.texts == ["after"])
    await eventually(bus.healthy)


async def test_a_deleted_exchange_comes_back(bus: RabbitBus, rabbitmq_url: str) -> None:
    """Publishing to a missing exchange fails once, then the exchange is there again."""
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.declare_exchange("steptrail.events", "topic", durable=True)
    topic = Destination(topic=queue_name("topic"))
    await bus.publish([(topic, message("works"))])
    channel = await bus._publish_channel()  # the broker closes this one, as it does when the exchange is missing
    wire = await channel.get_underlay_channel()
    with pytest.raises(Exception, match=r"NOT_FOUND|not exist"):
        await wire.basic_publish(b"", exchange=queue_name("missing"), routing_key="x", timeout=5)
    await bus.publish([(topic, message("works again"))])


@pytest.mark.req("NFR-012")
async def test_a_queue_with_other_arguments_is_a_clear_start_error(
    bus: RabbitBus, admin: aio_pika.abc.AbstractChannel
) -> None:
    """The error names the queue and says what to do; nothing restarts in a storm."""
    queue = queue_name()
    await admin.declare_queue(queue, durable=True)
    with pytest.raises(ConfigurationError, match=rf"queue {queue} exists .* other arguments .*delete_queue {queue}"):
        await bus.subscribe(Subscription(queue), Collector())
    assert bus.healthy()
    await admin.queue_delete(queue)


async def test_an_exclusive_queue_of_another_replica_is_a_clear_error(bus: RabbitBus, rabbitmq_url: str) -> None:
    """Two replicas with one exclusive name is a mistake of ours and says so."""
    queue = queue_name()
    await bus.subscribe(Subscription(queue, shared=False), Collector())
    other = RabbitBus(rabbitmq_url, name="other")
    await other.start()
    with pytest.raises(ConfigurationError, match="exclusive to another connection"):
        await other.subscribe(Subscription(queue, shared=False), Collector())
    await other.close()


@pytest.mark.req("NFR-010")
async def test_wrong_credentials_are_a_clear_start_error(rabbitmq_url: str) -> None:
    """The broker's refusal is told with what to check, not as a timeout."""
    bus = RabbitBus(
        str(URL(rabbitmq_url).with_user("guest").with_password("wrong")), name="test", start_timeout_seconds=2
    )
    with pytest.raises(ConfigurationError, match="check the user"):
        await bus.start()


@pytest.mark.req("NFR-008")
async def test_a_broker_that_is_not_there_is_unavailable(unused_tcp_port: int) -> None:
    """Starting without a broker ends in time with a clear error."""
    bus = RabbitBus(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}/", name="test", start_timeout_seconds=0.5)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await bus.start()
    assert not bus.healthy()


@pytest.fixture
def own_broker(servers: Servers) -> Iterator[Server]:
    """A broker of this test alone, to be killed."""
    broker = servers.make(RABBITMQ)
    if isinstance(broker, GivenServer):
        pytest.skip("a broker given by address cannot be killed")
    yield broker
    broker.discard()


@pytest.mark.req("NFR-006")
async def test_a_killed_broker_loses_nothing_confirmed_and_everyone_comes_back(own_broker: Server) -> None:
    """Kill -9 and restart: confirmed work is still there, subscriptions and fan-out queues are made again."""
    work, topic = queue_name(), queue_name("topic")
    bus = RabbitBus(own_broker.url, name="test", publish_timeout_seconds=2)
    await bus.start()
    facts, done, holes = Collector(), Collector(), list[str]()
    await bus.subscribe(
        Subscription(queue_name("sse"), (topic,), shared=False, resubscribed=lambda: holes.append("hole")), facts
    )
    await bus.publish([(Destination(queue=work), message(f"{n}")) for n in range(100)])
    await asyncio.sleep(1.5)  # RabbitMQ 3.10 may lose a quorum queue made less than a second before the kill
    await asyncio.to_thread(own_broker.kill)
    await eventually(lambda: not bus.healthy())
    with pytest.raises(PublishFailed):
        await bus.publish([(Destination(queue=work), message("lost"))])
    await asyncio.to_thread(own_broker.start)
    await eventually(lambda: bus.healthy() and bool(holes), 30)
    await bus.subscribe(Subscription(work, batch_max=50), done)
    await eventually(lambda: {f"{n}" for n in range(100)} <= set(done.texts), 30)
    await bus.publish([(Destination(topic=topic), message("live again"))])
    await eventually(lambda: facts.texts == ["live again"])
    await bus.close()
