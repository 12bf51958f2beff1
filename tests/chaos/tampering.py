"""Messages as they may come: queues that vanish, and results and poison that a neighbour on the broker puts there."""

import asyncio
import random
import time
from contextlib import suppress

import aio_pika
import aiormq
from steptrail_common.contracts.workers import HEARTBEATS_QUEUE, RESULTS_QUEUE, request_queue

from ..e2e.product import Product
from .story import Story

REQUESTS_QUEUE = request_queue("api_call")
HELD_SHARE, HELD_SECONDS = 0.3, 20.0


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


def hold_results(product: Product, story: Story, chance: random.Random) -> int:
    """Three of ten results are held back, up to twenty seconds: longer than a lease."""
    held = 0

    async def hold() -> None:
        nonlocal held
        async with await aio_pika.connect(product.servers["rabbitmq"].url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=50)
            queue = await channel.get_queue(RESULTS_QUEUE, ensure=False)
            arrived: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
            tag = await queue.consume(arrived.put)
            waiting: list[tuple[float, aio_pika.abc.AbstractIncomingMessage]] = []
            end = time.monotonic() + 6
            while waiting or time.monotonic() < end:
                if tag and time.monotonic() >= end:
                    await queue.cancel(tag)
                    tag = ""
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        message = await arrived.get()
                        late = chance.random() < HELD_SHARE
                        held += late
                        waiting.append((time.monotonic() + (chance.uniform(0, HELD_SECONDS) if late else 0), message))
                due = [message for at, message in waiting if at <= time.monotonic()]
                waiting = [(at, message) for at, message in waiting if at > time.monotonic() and message not in due]
                await _put_back(channel, due, chance, copies=1)

    asyncio.run(hold())
    return held


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
    channel: aio_pika.abc.AbstractChannel,
    held: list[aio_pika.abc.AbstractIncomingMessage],
    chance: random.Random,
    *,
    copies: int | None = None,
) -> int:
    """Each message again, so many times or 1 to 5; how many were sent."""
    sent = 0
    for message in held:
        for _ in range(copies or chance.randint(1, 5)):
            again = aio_pika.Message(
                message.body,
                headers=message.headers,
                message_id=message.message_id,
                content_type=message.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(again, RESULTS_QUEUE)
            sent += 1
        await message.ack()
    held.clear()
    return sent
