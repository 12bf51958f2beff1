"""Messages as they may come: queues that vanish, and results and poison that a neighbour on the broker puts there."""

import asyncio
import random
from collections.abc import Callable

import aio_pika
import aiormq
from steptrail_common.contracts.workers import HEARTBEATS_QUEUE, RESULTS_QUEUE, request_queue

from ..e2e.product import Product
from .story import Story

REQUESTS_QUEUE = request_queue("api_call")
TAMPERING_SECONDS = 6.0
HELD_SHARE, HELD_SECONDS = 0.3, 20.0
SHUFFLED_SECONDS = 0.5
TAKEN = "taken-by-the-neighbour"
Delays = Callable[[random.Random], list[float]]
"""After so many seconds a copy of a message is put back, for each of them."""


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


def held_back(chance: random.Random) -> list[float]:
    """Three of ten results come up to twenty seconds later: longer than a lease."""
    return [chance.uniform(0, HELD_SECONDS) if chance.random() < HELD_SHARE else 0.0]


def repeated(chance: random.Random) -> list[float]:
    """Each result comes up to five times, out of order."""
    return [chance.uniform(0, SHUFFLED_SECONDS) for _ in range(chance.randint(1, 5))]


def tamper_with_results(delays: Delays) -> Callable[[Product, Story, random.Random], int]:
    """A neighbour on the queue of results takes what it gets, once, and puts it back after `delays`, a copy for each.
    Harm: how many copies came later than they would have."""

    def harm(product: Product, story: Story, chance: random.Random) -> int:
        return asyncio.run(_tamper(product.servers["rabbitmq"].url, lambda: delays(chance)))

    return harm


async def _tamper(url: str, delays: Callable[[], list[float]]) -> int:
    late = 0
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=50)
        queue = await channel.get_queue(RESULTS_QUEUE, ensure=False)

        async def put_back(message: aio_pika.abc.AbstractIncomingMessage, delay: float) -> None:
            await asyncio.sleep(delay)
            again = aio_pika.Message(
                message.body,
                headers={**message.headers, TAKEN: True},
                message_id=message.message_id,
                content_type=message.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(again, RESULTS_QUEUE)

        async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal late
            due = [0.0] if TAKEN in message.headers else delays()
            late += sum(delay > 0 for delay in due)
            await asyncio.gather(*(put_back(message, delay) for delay in due))
            await message.ack()

        async with asyncio.TaskGroup() as group:

            async def taken(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                group.create_task(handle(message))

            tag = await queue.consume(taken)
            await asyncio.sleep(TAMPERING_SECONDS)
            await queue.cancel(tag)
    return late


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
                    story.parked[queue] += 1

    asyncio.run(send())
    return len(bodies) * len(queues)
