"""What goes wrong, on purpose: each fault takes a running system, harms it, and leaves it healed."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aio_pika
import aiormq
import httpx2
from steptrail_common.contracts.workers import HEARTBEATS_QUEUE, RESULTS_QUEUE, request_queue

from ..e2e.product import Product
from .oracle import Story

REQUESTS_QUEUE = request_queue("api_call")


@dataclass(frozen=True)
class Fault:
    """`harm` returns how many single faults it made. `ends`: how runs may end under it. `slow`: the target answers
    slowly and all press at once, so that everybody is busy. `late`: results must be late. `smoke`: part of every test
    run, not only of `make chaos`."""

    name: str
    harm: Callable[[Product, Story, random.Random], int]
    ends: frozenset[str] = frozenset({"success"})
    slow: bool = False
    late: bool = False
    smoke: bool = False


def _killed(product: Product, names: Iterable[str], pause: float) -> int:
    found = [product.processes[name] for name in names]
    for process in found:
        process.kill()
    time.sleep(pause)
    for process in found:
        process.start()
    return len(found)


def kill_orchestrators(product: Product, story: Story, chance: random.Random) -> int:
    """Both, so that nobody moves the runs meanwhile."""
    return _killed(product, ("orchestrator-1", "orchestrator-2"), chance.uniform(0.2, 1.5))


def kill_crawlers(product: Product, story: Story, chance: random.Random) -> int:
    """One after the other, in the middle of their checks."""
    return sum(_killed(product, (name,), chance.uniform(0.2, 1.0)) for name in ("crawler-1", "crawler-2"))


def kill_gateway(product: Product, story: Story, chance: random.Random) -> int:
    """Before and after it has passed a request on: clients ask again with their key."""
    return sum(_killed(product, (name,), chance.uniform(0.2, 1.0)) for name in ("gateway-1", "gateway-2"))


def kill_reporting_and_notifier(product: Product, story: Story, chance: random.Random) -> int:
    """Who only listens catches up."""
    return _killed(product, ("reporting-1", "notifier-1"), chance.uniform(0.5, 2.0))


def kill_everything(product: Product, story: Story, chance: random.Random) -> int:
    """All of our processes at once, as when the power fails; then all start at once."""
    names = [name for name in product.processes if name != "shop"]
    for name in names:
        product.processes[name].kill()
    time.sleep(chance.uniform(0.2, 1.0))
    threads = [threading.Thread(target=product.processes[name].start) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(names)


def kill_server(kind: str) -> Callable[[Product, Story, random.Random], int]:
    """A database or the broker without a good-bye."""

    def harm(product: Product, story: Story, chance: random.Random) -> int:
        product.servers[kind].kill()
        time.sleep(chance.uniform(0.5, 2.0))
        product.servers[kind].start()
        return 1

    return harm


def restart_broker(product: Product, story: Story, chance: random.Random) -> int:
    """As an upgrade does it."""
    product.servers["rabbitmq"].stop()
    product.servers["rabbitmq"].start()
    return 1


def freeze_broker(product: Product, story: Story, chance: random.Random) -> int:
    """It neither answers nor hangs up."""
    product.servers["rabbitmq"].freeze()
    time.sleep(chance.uniform(3, 6))
    product.servers["rabbitmq"].thaw()
    return 1


def pause_crawler(product: Product, story: Story, chance: random.Random) -> int:
    """Longer than its leases: others take its work, and what it says afterwards comes too late."""
    product.processes["crawler-1"].freeze()
    time.sleep(chance.uniform(9, 11))
    product.processes["crawler-1"].thaw()
    return 1


def delete_queues(product: Product, story: Story, chance: random.Random) -> int:
    """With everything in them: the broker is disposable."""
    broker = product.servers["rabbitmq"]
    names = [name for name in broker.queues() if name.startswith("steptrail.")]
    deleted: list[str] = []

    async def delete() -> None:
        async with await aio_pika.connect(broker.url) as connection:
            for name in names:
                channel = await connection.channel()
                try:
                    await channel.queue_delete(name)
                    deleted.append(name)
                except aiormq.exceptions.ChannelLockedResource:
                    pass  # a gateway's own: only its connection may

    asyncio.run(delete())
    return len(deleted)


def poison(product: Product, story: Story, chance: random.Random) -> int:
    """Messages that nobody of ours would send, to every queue that we read."""
    bodies = [
        b"",
        b"not json",
        b"[]",
        b'{"items": 7}',
        b"[" * 100_000,
        b'{"version": 99, "items": []}',
        b"\xff\xfe\x00",
    ]
    queues = (REQUESTS_QUEUE, RESULTS_QUEUE, HEARTBEATS_QUEUE)

    async def send() -> None:
        async with await aio_pika.connect(product.servers["rabbitmq"].url) as connection:
            channel = await connection.channel()
            for body in bodies:
                for queue in queues:
                    await channel.default_exchange.publish(aio_pika.Message(body), queue)

    asyncio.run(send())
    return len(bodies) * len(queues)


def repeat_results(product: Product, story: Story, chance: random.Random) -> int:
    """A neighbour on the queue of results takes some and puts each back up to five times, out of order."""
    taken = 0

    async def shuffle() -> None:
        nonlocal taken
        async with await aio_pika.connect(product.servers["rabbitmq"].url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=20)
            queue = await channel.get_queue(RESULTS_QUEUE, ensure=False)
            arrived: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
            tag = await queue.consume(arrived.put)
            held: list[aio_pika.abc.AbstractIncomingMessage] = []
            end = time.monotonic() + 6
            while time.monotonic() < end:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        while len(held) < 5:
                            held.append(await arrived.get())
                chance.shuffle(held)
                taken += await _put_back(channel, held, chance)
            await queue.cancel(tag)
            while not arrived.empty():
                held.append(arrived.get_nowait())
            taken += await _put_back(channel, held, chance)

    asyncio.run(shuffle())
    return taken


async def _put_back(
    channel: aio_pika.abc.AbstractChannel, held: list[aio_pika.abc.AbstractIncomingMessage], chance: random.Random
) -> int:
    copies = 0
    for message in held:
        for _ in range(chance.randint(1, 5)):
            again = aio_pika.Message(
                message.body,
                headers=message.headers,
                message_id=message.message_id,
                content_type=message.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(again, RESULTS_QUEUE)
            copies += 1
        await message.ack()
    held.clear()
    return copies


def cancel_storm(product: Product, story: Story, chance: random.Random) -> int:
    """People change their minds about everything they can see."""
    cancelled = 0
    end = time.monotonic() + 6
    while time.monotonic() < end:
        for run_id in list(story.accepted.values()):
            if run_id in story.cancelled or chance.random() < 0.5:
                continue
            cancelled += _cancel(product, story, run_id)
        time.sleep(0.2)
    return cancelled


def _cancel(product: Product, story: Story, run_id: str) -> int:
    try:
        with product.client() as client:
            answer: Any = client.post(f"/runs/{run_id}/cancel", timeout=5)
    except httpx2.HTTPError:
        return 0
    if answer.status_code in (200, 202, 204):
        story.cancelled[run_id] = time.monotonic()
        return 1
    return 0


FAULTS = [
    Fault("both orchestrators killed", kill_orchestrators, smoke=True),
    Fault("crawlers killed in mid-step", kill_crawlers),
    Fault("gateways killed", kill_gateway, smoke=True),
    Fault("reporting and notifier killed", kill_reporting_and_notifier),
    Fault("all processes killed", kill_everything),
    Fault("broker killed", kill_server("rabbitmq"), smoke=True),
    Fault("broker restarted", restart_broker),
    Fault("broker frozen", freeze_broker),
    Fault("all queues deleted", delete_queues, smoke=True),
    Fault("PostgreSQL killed", kill_server("postgres"), smoke=True),
    Fault("MongoDB killed", kill_server("mongo")),
    Fault("crawler paused past its leases", pause_crawler, slow=True, late=True, smoke=True),
    Fault("poison messages", poison),
    Fault("results repeated and shuffled", repeat_results),
    Fault("cancel storm", cancel_storm, ends=frozenset({"success", "cancelled"}), slow=True),
]
