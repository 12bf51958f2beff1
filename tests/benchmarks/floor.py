"""The floor: what a bare aio-pika plus asyncpg loop costs on this machine, for the same promise.

Per step: publish a request with confirm to a durable quorum queue, consume it, publish a result with confirm, consume
it, insert and update with one statement, acknowledge. No batching, no framework.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import aio_pika
import asyncpg

POOL_SIZE = 10
PREFETCH = 200
SCHEMA = """
create table if not exists floor_steps (run int, step int, ended_at timestamptz, primary key (run, step));
create table if not exists floor_runs (run int primary key, step int not null);
truncate floor_steps, floor_runs;
"""
STATEMENT = """
with done as (insert into floor_steps values ($1, $2, now()) on conflict do nothing)
update floor_runs set step = $2 where run = $1
"""


async def measure(bus_url: str, postgres_url: str, *, runs: int, steps: int) -> float:
    """Steps per second of the bare loop with `runs` chains of `steps` in flight at once."""
    pool = await asyncpg.create_pool(postgres_url.replace("+asyncpg", ""), min_size=POOL_SIZE, max_size=POOL_SIZE)
    connection = await aio_pika.connect(bus_url)
    try:
        await pool.execute(SCHEMA)
        return await _chains(connection, pool, runs=runs, steps=steps)
    finally:
        await connection.close()
        await pool.close()


async def _chains(
    connection: aio_pika.abc.AbstractConnection, pool: "asyncpg.Pool[asyncpg.Record]", *, runs: int, steps: int
) -> float:
    channel = await connection.channel(publisher_confirms=True)
    await channel.set_qos(prefetch_count=PREFETCH)
    name = uuid.uuid4().hex
    queues = [
        await channel.declare_queue(f"floor.{side}.{name}", durable=True, arguments={"x-queue-type": "quorum"})
        for side in ("requests", "results")
    ]
    done, remaining = asyncio.Event(), runs

    async def publish(queue: aio_pika.abc.AbstractQueue, run: int, step: int) -> None:
        message = aio_pika.Message(f"{run} {step}".encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue.name)

    async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        run, step = map(int, message.body.split())
        await publish(queues[1], run, step)
        await message.ack()

    async def accept(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal remaining
        run, step = map(int, message.body.split())
        await pool.execute(STATEMENT, run, step)
        await message.ack()
        if step < steps:
            await publish(queues[0], run, step + 1)
        else:
            remaining -= 1
            if remaining == 0:
                done.set()

    handlers = (work, accept)
    tags = [await queue.consume(_spawn(handler)) for queue, handler in zip(queues, handlers, strict=True)]
    await pool.executemany("insert into floor_runs values ($1, 0)", [(run,) for run in range(runs)])
    began = time.perf_counter()
    await asyncio.gather(*(publish(queues[0], run, 1) for run in range(runs)))
    await done.wait()
    elapsed = time.perf_counter() - began
    for queue, tag in zip(queues, tags, strict=True):
        await queue.cancel(tag)
        await queue.delete(if_unused=False, if_empty=False)
    return runs * steps / elapsed


def _spawn(
    handler: Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]],
) -> Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]:
    """Work leaves the broker's callback at once, as in the product."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        task = asyncio.create_task(handler(message))  # type: ignore[arg-type]
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return run
