"""Messages that leave if and only if their transaction committed.

`insert` writes them in the caller's transaction, `OutboxRelay` publishes them afterwards and deletes the published
rows. A relay that dies between publishing and committing leaves the rows: they are published again, and consumers drop
what they know by the dedup id.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from steptrail_common.bus.port import Bus, Destination, Message, PublishFailed
from steptrail_common.database import Moment, reading, writing
from steptrail_common.errors import Unavailable
from steptrail_common.telemetry import OUTBOX_OLDEST, inject

BATCH_ROWS = 500
MAX_NAME_BYTES = 255
"""AMQP's limit of a queue name and of a routing key."""
LONGEST_BACKOFF_SECONDS = 5.0

log = structlog.get_logger()


class database_now(FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's clock, as a `Moment`; in PostgreSQL it runs on within a transaction."""

    type = Moment()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _now_in_postgresql(_element: database_now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "clock_timestamp()"


@compiles(database_now, "sqlite")
def _now_in_sqlite(_element: database_now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """The table `outbox`: what is committed and not yet published, in the order of `id`."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("dedup_id", sa.Text, nullable=False, unique=True),
        sa.Column("destination_queue", sa.Text),
        sa.Column("topic", sa.Text),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sqlite_autoincrement=True,
    )


async def insert(connection: AsyncConnection, table: sa.Table, entries: Sequence[tuple[Destination, Message]]) -> None:
    """Write the messages in the caller's transaction; those whose dedup id already waits are left out.

    The current trace goes with them. Call `OutboxRelay.wake` after the commit. Raises ValueError for a destination
    that no broker takes, so that it shows where it was made.
    """
    if not entries:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing(index_elements=["dedup_id"])
    await connection.execute(
        statement.values(created_at=database_now()), [_row(destination, message) for destination, message in entries]
    )


def _row(destination: Destination, message: Message) -> dict[str, Any]:
    name = destination.queue if destination.queue is not None else destination.topic
    if not name or (destination.queue is not None and destination.topic is not None) or destination.reply:
        raise ValueError("a message in the outbox goes to exactly one of a queue and a topic, and is no reply")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"a queue or topic has at most {MAX_NAME_BYTES} bytes: {name[:80]}…")
    headers = dict(message.headers)
    return {
        "dedup_id": message.dedup_id,
        "destination_queue": destination.queue,
        "topic": destination.topic,
        "content_type": message.content_type,
        "headers": json.dumps(headers if "traceparent" in headers else inject(headers)),
        "body": message.body,
    }


class OutboxRelay:
    """Publishes what `insert` wrote, in the order of ids as far as they are committed.

    Replicas side by side are safe: on PostgreSQL each takes rows the others have not locked, on SQLite (one process)
    they take turns. `service` names the gauge of the oldest unpublished message.
    """

    def __init__(
        self, engine: AsyncEngine, table: sa.Table, bus: Bus, *, poll_seconds: float = 1.0, service: str | None = None
    ) -> None:
        self._engine = engine
        self._table = table
        self._bus = bus
        self._poll_seconds = poll_seconds
        self._service = service
        self._woken = asyncio.Event()
        self._age_seconds = 0.0
        self._age_seen = 0.0

    def wake(self) -> None:
        """Something was committed: publish now instead of at the next poll."""
        self._woken.set()

    @property
    def oldest_unpublished_seconds(self) -> float:
        """Age of the oldest message that could not be published; 0 when nothing waits."""
        return self._age_seconds + time.monotonic() - self._age_seen if self._age_seconds else 0.0

    async def run(self) -> None:
        """Publish until cancelled. Broker or database away: tries again, less and less often."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                count = await self.publish_batch()
                failures = 0
            except (PublishFailed, Unavailable) as error:
                failures += 1
                log.warning("outbox_publish_failed", error=str(error), failures=failures)
                await asyncio.sleep(min(0.1 * 2**failures, LONGEST_BACKOFF_SECONDS))
                continue
            finally:
                if self._service is not None:
                    OUTBOX_OLDEST.labels(service=self._service).set(self.oldest_unpublished_seconds)
            if count < BATCH_ROWS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):  # wait_for can lose a cancellation in Python 3.11
                        await self._woken.wait()

    async def publish_batch(self) -> int:
        """Publish at most `BATCH_ROWS` rows; says how many. Raises PublishFailed or Unavailable, the rows then stay."""
        if self._engine.dialect.name == "postgresql":
            return await self._publish_locked()
        async with _turn(self._engine):
            return await self._publish_unlocked()

    async def _publish_locked(self) -> int:
        """Delete, publish, commit: one statement, and a relay that dies in between has deleted nothing."""
        table = self._table
        oldest = sa.select(table.c.id).order_by(table.c.id).limit(BATCH_ROWS).with_for_update(skip_locked=True)
        taken = sa.delete(table).where(table.c.id.in_(oldest)).returning(*table.c, database_now().label("now"))
        async with writing(self._engine) as connection:
            rows = sorted((await connection.execute(taken)).all(), key=lambda row: int(row.id))
            await self._publish(rows)
        return len(rows)

    async def _publish_unlocked(self) -> int:
        """SQLite has one writer: do not hold its lock while publishing."""
        table = self._table
        oldest = sa.select(*table.c, database_now().label("now")).order_by(table.c.id).limit(BATCH_ROWS)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(oldest)).all()
        await self._publish(rows)
        if rows:
            async with writing(self._engine) as connection:
                last = rows[-1].id
                await connection.execute(sa.delete(table).where(table.c.id <= last))
        return len(rows)

    async def _publish(self, rows: Sequence[Any]) -> None:
        if rows:
            # Until it is confirmed it counts as waiting; the gauge then shows a broker that is away.
            self._age_seconds = max((rows[0].now - rows[0].created_at).total_seconds(), 0.001)
            self._age_seen = time.monotonic()
            await self._bus.publish([(_destination(row), _message(row)) for row in rows])
        self._age_seconds = 0.0


def _destination(row: Any) -> Destination:
    return Destination(queue=row.destination_queue, topic=row.topic)


def _message(row: Any) -> Message:
    return Message(
        body=bytes(row.body),
        dedup_id=row.dedup_id,
        content_type=row.content_type,
        headers=json.loads(row.headers),
    )


_turns: WeakKeyDictionary[Engine, asyncio.Lock] = WeakKeyDictionary()


def _turn(engine: AsyncEngine) -> asyncio.Lock:
    """One relay at a time per SQLite engine."""
    return _turns.setdefault(engine.sync_engine, asyncio.Lock())
