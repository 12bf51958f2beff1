"""The contract of the bus: one suite, run on every adapter.

A test module subclasses `BusContract` and provides the fixture `make_bus`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import pytest

from steptrail_common.bus.port import Bus, Delivery, Destination, Message, Reject, Subscription
from steptrail_common.errors import Unavailable

MakeBus = Callable[[], Awaitable[Bus]]
"""A started bus on the broker of this test; the fixture closes it."""


def queue_name(label: str = "work") -> str:
    return f"test.{label}.{uuid4().hex[:10]}"


def message(text: str, **headers: str) -> Message:
    return Message(body=text.encode(), dedup_id=f"id-{text}", headers=headers)


def texts(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.message.body.decode() for delivery in deliveries]


async def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until it holds; fails after so long."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def depth(bus: Bus, queue: str, expected: int, seconds: float = 10) -> None:
    """Wait until the queue holds so many ready messages."""
    async with asyncio.timeout(seconds):
        while (await bus.queue_depths()).get(queue, 0) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Collector:
    """A handler that remembers what it got, batch by batch."""

    def __init__(self, before: Callable[[Sequence[Delivery]], Awaitable[object]] | None = None) -> None:
        self.batches: list[list[Delivery]] = []
        self._before = before

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self.batches.append(list(deliveries))
        if self._before is not None:
            await self._before(deliveries)

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in texts(batch)]


class BusContract:
    """What every adapter promises."""

    @pytest.mark.req("NFR-015")
    async def test_competing_consumers_share_a_queue(self, make_bus: MakeBus) -> None:
        """Each message of a shared queue goes to exactly one consumer, and every consumer gets some."""
        one, two, publisher, queue = await make_bus(), await make_bus(), await make_bus(), queue_name()

        async def slowly(_: Sequence[Delivery]) -> None:
            await asyncio.sleep(0.01)

        left, right = Collector(slowly), Collector(slowly)
        await one.subscribe(Subscription(queue), left)
        await two.subscribe(Subscription(queue), right)
        await publisher.publish([(Destination(queue=queue), message(str(n))) for n in range(40)])
        await eventually(lambda: len(left.texts) + len(right.texts) == 40)
        assert sorted([*left.texts, *right.texts], key=int) == [str(n) for n in range(40)]
        assert left.texts
        assert right.texts

    async def test_a_message_arrives_as_it_was_sent(self, make_bus: MakeBus) -> None:
        """Body, identity, content type and headers arrive."""
        bus, queue, got = await make_bus(), queue_name(), Collector()
        await bus.subscribe(Subscription(queue), got)
        sent = Message(b"\x00\xff", "the-same", "application/octet-stream", {"kind": "probe"})
        await bus.publish([(Destination(queue=queue), sent)])
        await bus.publish([(Destination(queue=queue), sent)])
        await eventually(lambda: len(got.batches) == 2)
        first, second = got.batches[0][0], got.batches[1][0]
        assert first.message.body == b"\x00\xff"
        assert first.message.dedup_id == second.message.dedup_id == "the-same"
        assert first.message.content_type == "application/octet-stream"
        assert first.message.headers["kind"] == "probe"
        assert not first.redelivered

    async def test_a_queue_is_declared_when_something_is_published_to_it(self, make_bus: MakeBus) -> None:
        """Work waits in a durable queue until the first worker comes."""
        bus, queue, got = await make_bus(), queue_name(), Collector()
        await bus.publish([(Destination(queue=queue), message("early"))])
        await depth(bus, queue, 1)
        await bus.subscribe(Subscription(queue), got)
        await eventually(lambda: got.texts == ["early"])
        await depth(bus, queue, 0)

    @pytest.mark.req("NFR-006")
    async def test_a_message_is_acknowledged_only_after_its_handler_returned(self, make_bus: MakeBus) -> None:
        """A consumer that goes away in mid-work leaves the message to another."""
        one, two, queue = await make_bus(), await make_bus(), queue_name()
        begun = asyncio.Event()

        async def never_ends(_: Sequence[Delivery]) -> None:
            begun.set()
            await asyncio.Event().wait()

        await one.subscribe(Subscription(queue), never_ends)
        await one.publish([(Destination(queue=queue), message("kept"))])
        await asyncio.wait_for(begun.wait(), 10)
        await one.close()
        got = Collector()
        await two.subscribe(Subscription(queue), got)
        await eventually(lambda: got.texts == ["kept"])
        assert got.batches[0][0].redelivered

    @pytest.mark.req("NFR-007")
    async def test_batches_begin_so_far_apart_unless_they_are_full(self, make_bus: MakeBus) -> None:
        """The first goes at once, what comes soon after it goes together, and a full batch waits for nothing."""
        bus, queue = await make_bus(), queue_name()
        times: list[float] = []

        async def noted(_: Sequence[Delivery]) -> None:
            times.append(asyncio.get_running_loop().time())

        got = Collector(noted)
        await bus.subscribe(Subscription(queue, batch_max=4, batch_seconds=1.0), got)
        began = asyncio.get_running_loop().time()
        await bus.publish([(Destination(queue=queue), message("0"))])
        await eventually(lambda: got.texts == ["0"])
        for text in ("1", "2"):
            await bus.publish([(Destination(queue=queue), message(text))])
            await asyncio.sleep(0.05)
        await eventually(lambda: len(got.texts) == 3)
        assert [texts(batch) for batch in got.batches] == [["0"], ["1", "2"]]
        assert times[0] - began < 1.0
        assert times[1] - began >= 0.99
        await bus.publish([(Destination(queue=queue), message(text)) for text in "3456"])
        await eventually(lambda: len(got.texts) == 7)
        assert times[2] - times[1] < 1.0

    async def test_what_raised_comes_again(self, make_bus: MakeBus) -> None:
        """A handler that fails twice gets the message a third time, after pauses that grow."""
        bus, queue = await make_bus(), queue_name()
        times: list[float] = []

        async def fails_twice(_: Sequence[Delivery]) -> None:
            times.append(asyncio.get_running_loop().time())
            if len(times) < 3:
                raise RuntimeError("database away")

        await bus.subscribe(Subscription(queue), fails_twice)
        await bus.publish([(Destination(queue=queue), message("again"))])
        await eventually(lambda: len(times) == 3)
        assert times[1] - times[0] >= 0.09
        assert times[2] - times[1] >= 0.19
        await depth(bus, f"{queue}.dead", 0)

    async def test_what_always_raises_is_parked_after_the_limit(self, make_bus: MakeBus) -> None:
        """A poisonous message is delivered `delivery_limit` times and then found in the dead letters."""
        bus, queue = await make_bus(), queue_name()

        async def fails(_: Sequence[Delivery]) -> None:
            raise RuntimeError("poison")

        got = Collector(fails)
        await bus.subscribe(Subscription(queue, delivery_limit=3), got)
        await bus.publish([(Destination(queue=queue), message("poison"))])
        await depth(bus, f"{queue}.dead", 1)
        assert got.texts == ["poison"] * 3
        dead = Collector()
        await bus.subscribe(Subscription(f"{queue}.dead"), dead)
        await eventually(lambda: dead.texts == ["poison"])

    async def test_others_are_handled_while_one_waits_for_its_repeat(self, make_bus: MakeBus) -> None:
        """A failing message is held outside the worker: the rest of the queue does not wait for it."""
        bus, queue, done = await make_bus(), queue_name(), []

        async def fails_for_one(deliveries: Sequence[Delivery]) -> None:
            if texts(deliveries) == ["bad"]:
                raise RuntimeError("poison")
            done.extend(texts(deliveries))

        await bus.subscribe(Subscription(queue, concurrency=2, delivery_limit=5), fails_for_one)
        await bus.publish([(Destination(queue=queue), message("bad"))])
        await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(20)])
        await eventually(lambda: len(done) == 20)
        await depth(bus, f"{queue}.dead", 1)

    async def test_a_rejected_message_is_parked_at_once(self, make_bus: MakeBus) -> None:
        """`Reject` says that repeating cannot help."""
        bus, queue = await make_bus(), queue_name()

        async def rejects(_: Sequence[Delivery]) -> None:
            raise Reject("not JSON")

        got = Collector(rejects)
        await bus.subscribe(Subscription(queue), got)
        await bus.publish([(Destination(queue=queue), message("bad"))])
        await depth(bus, f"{queue}.dead", 1)
        assert got.texts == ["bad"]

    async def test_one_rejected_message_does_not_park_its_batch(self, make_bus: MakeBus) -> None:
        """A rejected batch is handed over again one by one; only the bad one is parked."""
        bus, queue, done = await make_bus(), queue_name(), []

        async def rejects_bad(deliveries: Sequence[Delivery]) -> None:
            if "bad" in texts(deliveries):
                raise Reject("not JSON")
            done.extend(texts(deliveries))

        await bus.publish([(Destination(queue=queue), message(text)) for text in ("a", "bad", "b", "c")])
        await bus.subscribe(Subscription(queue, batch_max=10), rejects_bad)
        await eventually(lambda: sorted(done) == ["a", "b", "c"])
        await depth(bus, f"{queue}.dead", 1)

    async def test_a_batch_takes_what_has_arrived(self, make_bus: MakeBus) -> None:
        """While a handler is busy messages gather; it then gets them together, at most `batch_max`."""
        bus, queue = await make_bus(), queue_name()

        async def busy(_: Sequence[Delivery]) -> None:
            await asyncio.sleep(0.1)

        got = Collector(busy)
        await bus.subscribe(Subscription(queue, batch_max=50), got)
        await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(120)])
        await eventually(lambda: len(got.texts) == 120)
        sizes = [len(batch) for batch in got.batches]
        assert max(sizes) == 50
        assert len(sizes) <= 6
        assert sorted(got.texts, key=int) == [str(n) for n in range(120)]
        await depth(bus, queue, 0)

    @pytest.mark.req("NFR-001")
    async def test_thousands_of_messages_are_published_at_once(self, make_bus: MakeBus) -> None:
        """A bulk larger than what is awaited together arrives whole."""
        bus, queue, got = await make_bus(), queue_name(), Collector()
        await bus.subscribe(Subscription(queue, batch_max=200, concurrency=2), got)
        await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(3000)])
        await eventually(lambda: len(got.texts) == 3000, 30)
        assert len(set(got.texts)) == 3000

    async def test_concurrency_bounds_how_many_run_at_once(self, make_bus: MakeBus) -> None:
        """Never more handlers than asked for, and as many as asked for."""
        bus, queue, now, most = await make_bus(), queue_name(), 0, 0

        async def counts(_: Sequence[Delivery]) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1

        got = Collector(counts)
        await bus.subscribe(Subscription(queue, concurrency=4), got)
        await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(20)])
        await eventually(lambda: len(got.texts) == 20)
        assert most == 4

    @pytest.mark.req("IR-9")
    async def test_facts_fan_out_to_every_exclusive_subscriber(self, make_bus: MakeBus) -> None:
        """Each replica with a queue of its own gets every fact; a shared queue gets it once for all its consumers."""
        one, two, topic = await make_bus(), await make_bus(), f"run.finished.{uuid4().hex}"
        first, second, shared = Collector(), Collector(), Collector()
        group = queue_name("group")
        await one.subscribe(Subscription(queue_name("sse"), (topic,), shared=False), first)
        await two.subscribe(Subscription(queue_name("sse"), (topic,), shared=False), second)
        await one.subscribe(Subscription(group, (topic,)), shared)
        await two.subscribe(Subscription(group, (topic,)), shared)
        await one.publish([(Destination(topic=topic), message(str(n))) for n in range(10)])
        await eventually(lambda: all(len(got.texts) == 10 for got in (first, second, shared)))
        assert first.batches[0][0].routing_key == topic

    @pytest.mark.parametrize(
        ("pattern", "key", "matches"),
        [
            ("run.*.X", "run.finished.X", True),
            ("run.*.X", "run.finished.late.X", False),
            ("run.*.X", "run.X", False),
            ("X.#", "X", True),
            ("X.#", "X.a.b.c", True),
            ("#.X", "a.b.X", True),
            ("X.*", "X", False),
            ("*.X.#", "run.X.order.to", True),
            ("*.X.#", "X.order", False),
        ],
    )
    async def test_topic_patterns(self, make_bus: MakeBus, pattern: str, key: str, matches: bool) -> None:
        """`*` is exactly one word, `#` is any number of words."""
        bus, got, mark = await make_bus(), Collector(), uuid4().hex
        pattern, key, last = pattern.replace("X", mark), key.replace("X", mark), f"{mark}last"
        await bus.subscribe(Subscription(queue_name("topic"), (pattern, last)), got)
        await bus.publish([(Destination(topic=key), message("asked")), (Destination(topic=last), message("last"))])
        await eventually(lambda: "last" in got.texts)
        assert ("asked" in got.texts) == matches

    async def test_a_fact_that_nobody_wants_is_no_error(self, make_bus: MakeBus) -> None:
        """Publishing to the topic exchange succeeds without subscribers."""
        bus = await make_bus()
        await bus.publish([(Destination(topic=f"nobody.{uuid4().hex}"), message("unheard"))])

    async def test_an_answer_to_someone_who_left_is_dropped(self, make_bus: MakeBus) -> None:
        """A reply goes to the asker's exclusive queue while it is there, and declares nothing afterwards."""
        asker, worker, queue, got = await make_bus(), await make_bus(), queue_name("reply"), Collector()
        await asker.subscribe(Subscription(queue, shared=False), got)
        await worker.publish([(Destination(queue=queue, reply=True), message("answer"))])
        await eventually(lambda: got.texts == ["answer"])
        await asker.close()
        await worker.publish([(Destination(queue=queue, reply=True), message("too late"))])
        assert queue not in await worker.queue_depths()

    @pytest.mark.req("NFR-006")
    async def test_drain_lets_running_work_end_and_gives_back_the_rest(self, make_bus: MakeBus) -> None:
        """After a drain the running message is acknowledged and the waiting ones are free for others."""
        one, two, queue = await make_bus(), await make_bus(), queue_name()
        begun, may_end, done = asyncio.Event(), asyncio.Event(), []

        async def slow(deliveries: Sequence[Delivery]) -> None:
            begun.set()
            await may_end.wait()
            done.extend(texts(deliveries))

        await one.subscribe(Subscription(queue, batch_max=2), slow)
        await one.publish([(Destination(queue=queue), message("first"))])
        await asyncio.wait_for(begun.wait(), 10)
        await one.publish([(Destination(queue=queue), message(text)) for text in ("second", "third")])
        draining = asyncio.create_task(one.drain(10))
        await asyncio.sleep(0.05)
        may_end.set()
        await draining
        assert done == ["first"]
        got = Collector()
        await two.subscribe(Subscription(queue), got)
        await eventually(lambda: sorted(got.texts) == ["second", "third"])
        await asyncio.sleep(0.1)
        assert "first" not in got.texts
        await one.publish([(Destination(queue=queue), message("after the drain"))])
        await eventually(lambda: "after the drain" in got.texts)

    async def test_drain_gives_up_on_work_that_does_not_end(self, make_bus: MakeBus) -> None:
        """After its time the handler is cancelled and its message given back."""
        one, two, queue = await make_bus(), await make_bus(), queue_name()
        begun = asyncio.Event()

        async def hangs(_: Sequence[Delivery]) -> None:
            begun.set()
            await asyncio.Event().wait()

        await one.subscribe(Subscription(queue), hangs)
        await one.publish([(Destination(queue=queue), message("hung"))])
        await asyncio.wait_for(begun.wait(), 10)
        await asyncio.wait_for(one.drain(0.1), 10)
        got = Collector()
        await two.subscribe(Subscription(queue), got)
        await eventually(lambda: got.texts == ["hung"])

    async def test_one_of_two_subscriptions_to_a_queue_can_end(self, make_bus: MakeBus) -> None:
        """What it holds ends and is acknowledged, the other goes on; a bus that drains takes no further one."""
        bus, queue, may_end, got = await make_bus(), queue_name(), asyncio.Event(), Collector()
        taking = await bus.subscribe(Subscription(queue), first := Collector(lambda _: may_end.wait()))
        await bus.publish([(Destination(queue=queue), message("held"))])
        await eventually(lambda: first.texts == ["held"])
        ending = asyncio.create_task(taking.drain(60))
        await bus.subscribe(Subscription(queue), got)
        await bus.publish([(Destination(queue=queue), message("next"))])
        await eventually(lambda: got.texts == ["next"] and bus.healthy())
        may_end.set()
        await asyncio.wait_for(ending, 10)
        await depth(bus, queue, 0)
        await bus.drain(1)
        with pytest.raises(Unavailable):
            await bus.subscribe(Subscription(queue), got)

    async def test_queue_depths_tell_what_is_ready(self, make_bus: MakeBus) -> None:
        """Waiting messages are counted per known queue, its dead letters included."""
        bus, queue = await make_bus(), queue_name()
        await bus.publish([(Destination(queue=queue), message(str(n))) for n in range(7)])
        await depth(bus, queue, 7)
        await bus.subscribe(Subscription(queue), Collector())
        await depth(bus, queue, 0)
        assert (await bus.queue_depths())[queue] == 0

    async def test_a_started_bus_is_healthy_and_a_closed_one_is_not(self, make_bus: MakeBus) -> None:
        """`healthy` is what readiness asks."""
        bus = await make_bus()
        assert bus.healthy()
        await bus.close()
        assert not bus.healthy()
