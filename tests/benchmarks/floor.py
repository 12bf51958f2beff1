"""The floor: what a bare aio-pika plus asyncpg loop in two processes costs on this machine, for the same promise.

Per step: publish a request with confirm to a durable quorum queue; the other process consumes it and publishes a result
with confirm; consume that, insert and update with one statement, acknowledge. No batching, no framework.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import asyncpg
import psutil

POOL_SIZE = 10
PREFETCH = 200
QUORUM = {"x-queue-type": "quorum"}
SCHEMA = """
create table if not exists floor_steps (run int, step int, ended_at timestamptz, primary key (run, step));
create table if not exists floor_runs (run int primary key, step int not null);
"""
STATEMENT = """
with done as (insert into floor_steps values ($1, $2, now()) on conflict do nothing)
update floor_runs set step = $2 where run = $1
"""
Handler = Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]


class Floor:
    """One side of the loop, which starts runs, keeps them and asks the other side for each step."""

    def __init__(
        self,
        channel: aio_pika.abc.AbstractChannel,
        pool: "asyncpg.Pool[asyncpg.Record]",
        name: str,
        worker: psutil.Process,
    ) -> None:
        self._channel, self._pool, self._name, self._worker = channel, pool, name, worker
        self._steps = self._remaining = 0
        self._done = asyncio.Event()

    async def steps_per_second(self, *, runs: int, steps: int) -> float:
        """With `runs` chains of `steps` in flight at once."""
        await self._pool.execute("truncate floor_steps, floor_runs")
        await self._pool.executemany("insert into floor_runs values ($1, 0)", [(run,) for run in range(runs)])
        self._steps, self._remaining = steps, runs
        self._done.clear()
        began = time.perf_counter()
        await asyncio.gather(*(self._ask(run, 1) for run in range(runs)))
        await self._done.wait()
        return runs * steps / (time.perf_counter() - began)

    def cpu_seconds(self) -> float:
        """User and system time so far of both sides."""
        return time.process_time() + sum(self._worker.cpu_times()[:2])

    async def accept(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        run, step = map(int, message.body.split())
        await self._pool.execute(STATEMENT, run, step)
        await message.ack()
        if step < self._steps:
            await self._ask(run, step + 1)
        else:
            self._remaining -= 1
            if self._remaining == 0:
                self._done.set()

    async def _ask(self, run: int, step: int) -> None:
        await _publish(self._channel, f"floor.requests.{self._name}", f"{run} {step}".encode())


@asynccontextmanager
async def bare_loop(bus_url: str, postgres_url: str) -> AsyncIterator[Floor]:
    """The loop, with its other side in a process of its own, as orchestrator and worker are."""
    name = uuid.uuid4().hex
    pool = await asyncpg.create_pool(postgres_url.replace("+asyncpg", ""), min_size=POOL_SIZE, max_size=POOL_SIZE)
    connection = await aio_pika.connect(bus_url)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.floor", bus_url, name)
    try:
        await pool.execute(SCHEMA)
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        requests, results = [
            await channel.declare_queue(f"floor.{side}.{name}", durable=True, arguments=QUORUM)
            for side in ("requests", "results")
        ]
        loop = Floor(channel, pool, name, psutil.Process(worker.pid))
        tag = await results.consume(_spawn(loop.accept))
        yield loop
        await results.cancel(tag)
        for queue in (requests, results):
            await queue.delete(if_unused=False, if_empty=False)
    finally:
        worker.kill()
        await worker.wait()
        await connection.close()
        await pool.close()


async def _publish(channel: aio_pika.abc.AbstractChannel, queue: str, body: bytes) -> None:
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, queue)


def _spawn(handler: Handler) -> Handler:
    """Work leaves the broker's callback at once, as in the product."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        task = asyncio.create_task(handler(message))  # type: ignore[arg-type]
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return run


async def _work(bus_url: str, name: str) -> None:
    """The other side: read the request, answer it, acknowledge."""
    connection = await aio_pika.connect(bus_url)
    channel = await connection.channel(publisher_confirms=True)
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.declare_queue(f"floor.requests.{name}", durable=True, arguments=QUORUM)

    async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await _publish(channel, f"floor.results.{name}", message.body)
        await message.ack()

    await queue.consume(_spawn(answer))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]))
