"""The floor of the same promise: a bare aio-pika and asyncpg loop in two processes that writes the product's rows.

`floor.py` writes two small rows for a step. Here one statement writes what the product writes for it: the message is
noted, the attempt ended by its token, the step and the next one, the next attempt, the run, two events of its history
and three messages in the outbox, all behind a lock on the run. Then the three messages leave, each confirmed. What the
product has beyond this is Python: reading, deciding, checking, telemetry.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
from steptrail_common.database import migrate, open_engine
from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.sql import SqlRunKeeping
from steptrail_orchestrator.service import new_run_id

PROCESS_ID = "promise"
EXCHANGE = "promise.events"
QUORUM = {"x-queue-type": "quorum"}
FORGET_SECONDS = 0.1
"""Rows of the outbox go together, as in the product."""
_BEGIN = """
WITH r AS (INSERT INTO runs (run_id, process_id, process_name, definition_id, revision, trigger, initiated_by, inputs,
    status, queued_at, started_at, deadline_at, wake_at, current_step, seq)
    VALUES ($1, $2, 'Promise', $2, 1, 'manual', 'bench', '{}', 'running', now(), now(), now() + '600s', now() + '30s',
    's1', 1)
), s AS (INSERT INTO run_steps (run_id, step_id, number, status, attempt, base_attempt, started_at)
    VALUES ($1, 's1', 1, 'running', 1, 1, now()))
INSERT INTO attempts (run_id, step_id, attempt, token, status, check_type, timeout_seconds, dispatched_at, published_at,
    publications, late) VALUES ($1, 's1', 1, $3, 'dispatched', 'api_call', 30, clock_timestamp(), now(), 1, false)
"""
_STEP = """
WITH guard AS MATERIALIZED (SELECT 1 FROM runs WHERE run_id = $1 AND seq = $2 FOR UPDATE),
noted AS (INSERT INTO inbox (dedup_id, received_at) SELECT $3, clock_timestamp() FROM guard),
ended AS (UPDATE attempts SET status = 'passed', started_at = $4, ended_at = clock_timestamp(), worker_id = 'w',
    duration_seconds = 0.001, result = $5
    WHERE run_id = $1 AND step_id = $6 AND attempt = 1 AND token = $7 AND ended_at IS NULL
        AND EXISTS (SELECT 1 FROM guard)
    RETURNING 1),
stepped AS (UPDATE run_steps SET status = 'success', ended_at = clock_timestamp(), duration_seconds = 0.001
    WHERE run_id = $1 AND step_id = $6),
next_step AS (INSERT INTO run_steps (run_id, step_id, number, status, attempt, base_attempt, started_at)
    SELECT $1, $8, $9, 'running', 1, 1, clock_timestamp() FROM guard),
opened AS (INSERT INTO attempts (run_id, step_id, attempt, token, status, check_type, timeout_seconds, dispatched_at,
    published_at, publications, late)
    SELECT $1, $8, 1, $10, 'dispatched', 'api_call', 30, clock_timestamp(), clock_timestamp(), 1, false FROM guard),
moved AS (UPDATE runs SET seq = $2 + 2, current_step = $8, wake_at = clock_timestamp() + '30s' WHERE run_id = $1),
told AS (INSERT INTO events (run_id, seq, process_id, document)
    SELECT $1, $2 + number, $11, document FROM unnest($12::text[]) WITH ORDINALITY AS e(document, number), guard
    RETURNING position),
sent AS (INSERT INTO outbox (dedup_id, destination_queue, topic, content_type, headers, body, created_at)
    SELECT dedup_id, queue, topic, 'application/json', '{}', convert_to(body, 'utf8'), clock_timestamp()
    FROM unnest($13::text[], $14::text[], $15::text[], $16::text[]) AS o(dedup_id, queue, topic, body), guard)
SELECT (SELECT count(*) FROM ended), (SELECT array_agg(position) FROM told)
"""


@asynccontextmanager
async def bare_loop(
    bus_url: str, database_url: str, *, steps: int
) -> AsyncIterator[Callable[[int], Awaitable[list[float]]]]:
    """Gives what runs so many runs one after the other, and says the milliseconds from one step's dispatch to the next.

    `database_url`: of an empty database.
    """
    engine = open_engine(database_url)
    await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))
    await SqlRunKeeping(engine).prepare_months()
    await engine.dispose()
    name = uuid4().hex
    database = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    connection = await aio_pika.connect(bus_url)
    worker = None

    async def gaps(runs: int) -> list[float]:
        run_ids = [await loop.run() for _ in range(runs)]
        rows = await database.fetch(
            "SELECT 1000 * extract(epoch FROM dispatched_at - lag(dispatched_at) OVER"
            " (PARTITION BY run_id ORDER BY dispatched_at)) AS gap FROM attempts WHERE run_id = ANY($1::text[])",
            run_ids,
        )
        return [float(row["gap"]) for row in rows if row["gap"] is not None]

    try:
        await database.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off")
        await database.execute(
            "INSERT INTO definitions (definition_id, process_id, revision, snapshot, stored_at)"
            " VALUES ($1, $1, 1, '{}', now())",
            PROCESS_ID,
        )
        loop = _Loop(database, await asyncpg.connect(database_url.replace("+asyncpg", "")), connection, name, steps)
        await loop.start()
        worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.promise", bus_url, name)
        yield gaps
        await loop.close()
    finally:
        if worker is not None:
            worker.kill()
            await worker.wait()
        await connection.close()
        await database.close()


class _Loop:
    """What the orchestrator does, bare."""

    def __init__(
        self, database: Any, cleaner: Any, connection: aio_pika.abc.AbstractConnection, name: str, steps: int
    ) -> None:
        self._database, self._cleaner = database, cleaner
        self._connection = connection
        self._requests, self._results = f"promise.requests.{name}", f"promise.results.{name}"
        self._steps = steps
        self._published: list[str] = []
        self._ended = asyncio.Event()
        self._seq = 1

    async def start(self) -> None:
        self._channel = await self._connection.channel(publisher_confirms=True)
        self._exchange = await self._channel.declare_exchange(EXCHANGE, "topic", durable=True)
        taking = await self._connection.channel(publisher_confirms=False)
        for name in (self._requests, self._results):
            queue = await taking.declare_queue(name, durable=True, arguments=QUORUM)
        await queue.consume(self._take)
        self._forgetting = asyncio.create_task(self._forget())

    async def close(self) -> None:
        self._forgetting.cancel()
        await asyncio.gather(self._forgetting, return_exceptions=True)
        for name in (self._requests, self._results):
            await self._channel.queue_delete(name)
        await self._cleaner.close()

    async def run(self) -> str:
        """Its id, once it has ended."""
        run_id, token = new_run_id(), uuid4().hex
        self._ended.clear()
        self._seq = 1
        await self._database.execute(_BEGIN, run_id, PROCESS_ID, token)
        await self._publish(self._channel.default_exchange, self._requests, _request(run_id, 1, token), uuid4().hex)
        await asyncio.wait_for(self._ended.wait(), 30)
        return run_id

    async def _take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        asyncio.get_running_loop().create_task(self._accept(message))

    async def _accept(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        result = json.loads(message.body)["items"][0]
        run_id, number, token = result["run_id"], int(result["step_id"][1:]), uuid4().hex
        told = [_event(run_id, self._seq + place, kind, number) for place, kind in ((1, "finished"), (2, "dispatched"))]
        request = _request(run_id, number + 1, token)
        ids = [uuid4().hex for _ in range(3)]
        await self._database.fetchrow(
            _STEP, run_id, self._seq, message.message_id, datetime.now(UTC), json.dumps(result), f"s{number}",
            result["token"], f"s{number + 1}", number + 1, token, PROCESS_ID, told, ids, [self._requests, None, None],
            [None, "step.finished", "step.dispatched"], [request, *told],
        )  # fmt: skip
        self._seq += 2
        await message.ack()
        if number + 1 > self._steps:
            self._ended.set()
            return
        await asyncio.gather(
            self._publish(self._channel.default_exchange, self._requests, request, ids[0]),
            self._publish(self._exchange, "step.finished", told[0], ids[1]),
            self._publish(self._exchange, "step.dispatched", told[1], ids[2]),
        )
        self._published += ids

    async def _publish(self, exchange: aio_pika.abc.AbstractExchange, key: str, body: str, dedup_id: str) -> None:
        message = aio_pika.Message(body.encode(), delivery_mode=2, message_id=dedup_id, content_type="application/json")
        await exchange.publish(message, key, mandatory=False)

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            gone, self._published = self._published, []
            await self._cleaner.execute("DELETE FROM outbox WHERE dedup_id = ANY($1::text[])", gone)


def _request(run_id: str, number: int, token: str) -> str:
    check = {"type": "api_call", "url": "http://example.com/order", "method": "GET", "headers": {}, "query": {}}
    item = {
        "run_id": run_id, "step_id": f"s{number}", "step_number": number, "attempt": 1, "token": token, "check": check,
        "assertions": [], "captures": {}, "timeout_seconds": 30, "issued_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    return json.dumps({"items": [item]})


def _event(run_id: str, seq: int, kind: str, number: int) -> str:
    data = {
        "process_id": PROCESS_ID,
        "step_id": f"s{number}",
        "step_name": f"Step {number}",
        "attempt": 1,
        "status": kind,
    }
    return json.dumps(
        {"run_id": run_id, "seq": seq, "type": f"step.{kind}", "time": datetime.now(UTC).isoformat(), "data": data}
    )


async def _work(bus_url: str, name: str) -> None:
    """What the worker does, bare: read the request, answer it, acknowledge."""
    connection = await aio_pika.connect(bus_url)
    channel = await connection.channel(publisher_confirms=True)
    queue = await channel.get_queue(f"promise.requests.{name}", ensure=False)

    async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        asked = json.loads(message.body)["items"][0]
        named = {key: asked[key] for key in ("run_id", "step_id", "attempt", "token")}
        body = json.dumps({"items": [{**named, "worker_id": "w", "ok": True, "duration_seconds": 0.0001}]})
        await channel.default_exchange.publish(
            aio_pika.Message(body.encode(), delivery_mode=2, message_id=uuid4().hex), f"promise.results.{name}"
        )
        await message.ack()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        asyncio.get_running_loop().create_task(answer(message))

    await queue.consume(take)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]))
