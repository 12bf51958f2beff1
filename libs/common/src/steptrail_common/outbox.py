"""Messages that leave if and only if their transaction committed.

`insert` writes them in the caller's transaction, `OutboxRelay` publishes them afterwards and deletes the published
rows. A relay that dies between publishing and committing leaves the rows: they are published again, and consumers drop
what they know by the dedup id.

The rows are the truth. Whoever committed some and still has them in memory may `hand_over` these: they then leave
without being read back, and their rows are deleted afterwards, many at a time.
"""

import asyncio
import json
import time
from collections import deque
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
HANDED_OVER_MOST = 10_000
"""Messages held in memory until they are published; what is beyond that is read from the table."""
SETTLING_SECONDS = 0.5
"""After so long a row is hardly in the memory of a replica that keeps up: who has fallen behind may read it."""
FORGET_SECONDS = 0.1
"""How long rows of published messages are collected before one statement deletes them all: nobody waits for it."""

Entry = tuple[Destination, Message]

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


async def insert(connection: AsyncConnection, table: sa.Table, entries: Sequence[Entry]) -> None:
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
    they take turns. `service` names the gauge of the oldest unpublished message. `patience_seconds`: polls leave
    younger rows to whoever committed them and hands them over.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        table: sa.Table,
        bus: Bus,
        *,
        poll_seconds: float = 1.0,
        service: str | None = None,
        patience_seconds: float = 0.0,
    ) -> None:
        self._engine = engine
        self._table = table
        self._bus = bus
        self._poll_seconds = poll_seconds
        self._service = service
        self._patience_seconds = patience_seconds
        self._woken = asyncio.Event()
        self._all_wanted = False
        self._behind = self._draining = False
        self._handed: deque[Entry] = deque()
        self._published: list[str] = []
        self._forgetting: asyncio.Task[None] | None = None
        self._one_forgets = asyncio.Lock()
        self._age_seconds = 0.0
        self._age_seen = 0.0

    def wake(self) -> None:
        """Something was committed: publish now instead of at the next poll, however young it is."""
        self._all_wanted = True
        self._woken.set()

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """These were committed by `insert`: publish them now, from memory. If that fails, the rows are still there.

        When memory is full, nothing is kept until the table is drained: a row leaves on one of the two ways.
        """
        if len(self._handed) + len(entries) > HANDED_OVER_MOST:
            self._behind = self._draining = True
        if not self._behind:
            self._handed.extend(entries)
        self._woken.set()

    @property
    def oldest_unpublished_seconds(self) -> float:
        """Age of the oldest message that could not be published; 0 when nothing waits."""
        return self._age_seconds + time.monotonic() - self._age_seen if self._age_seconds else 0.0

    async def run(self) -> None:
        """Publish until cancelled. Broker or database away: tries again, less and less often."""
        try:
            await self._run()
        finally:
            if self._forgetting is not None and not self._forgetting.done():
                await asyncio.wait([self._forgetting])

    async def _run(self) -> None:
        failures, poll_at = 0, 0.0
        while True:
            self._woken.clear()
            try:
                if self._handed:
                    await self._publish_handed()
                if self._all_wanted or self._behind or time.monotonic() >= poll_at:
                    poll_at = await self._poll() + time.monotonic()  # of its end: it may last longer than its pause
                failures = 0
            except (PublishFailed, Unavailable) as error:
                failures += 1
                self._all_wanted = True
                log.warning("outbox_publish_failed", error=str(error), failures=failures)
                await asyncio.sleep(min(0.1 * 2**failures, LONGEST_BACKOFF_SECONDS))
                continue
            finally:
                if self._service is not None:
                    OUTBOX_OLDEST.labels(service=self._service).set(self.oldest_unpublished_seconds)
            if not self._all_wanted:
                with suppress(TimeoutError):
                    # wait_for can lose a cancellation in Python 3.11
                    async with asyncio.timeout(max(poll_at - time.monotonic(), 0.0)):
                        await self._woken.wait()

    async def _poll(self) -> float:
        """Publish a batch from the table; says in how many seconds to look again.

        What left from memory is deleted before, or it would leave once more: with thousands on their way, rows are
        older than any patience before their turn comes.
        """
        await self._forget()
        patience, everything = self._patience_seconds, self._all_wanted
        if everything:
            patience, self._all_wanted = 0.0, False
        elif self._draining:
            patience = min(patience, SETTLING_SECONDS)
        if await self.publish_batch(patience_seconds=patience) == BATCH_ROWS:
            self._all_wanted |= everything
            return 0.0
        if self._behind or not self._draining:
            self._behind = False
        else:
            self._draining = False
        return SETTLING_SECONDS if self._draining else self._poll_seconds

    async def publish_batch(self, *, patience_seconds: float = 0.0) -> int:
        """Publish at most `BATCH_ROWS` rows of at least that age; says how many.

        Raises PublishFailed or Unavailable, the rows then stay.
        """
        if self._engine.dialect.name == "postgresql":
            return await self._publish_locked(patience_seconds)
        async with _turn(self._engine):
            return await self._publish_unlocked(patience_seconds)

    async def _publish_handed(self) -> None:
        """Publish what was handed over; without a confirm it is forgotten here, and its rows are published later."""
        entries, self._handed = list(self._handed), deque()
        if not self._age_seconds:
            self._age_seconds, self._age_seen = 0.001, time.monotonic()
        await self._bus.publish(entries)
        self._age_seconds = 0.0
        self._published += [message.dedup_id for _, message in entries]
        if self._forgetting is None or self._forgetting.done():
            self._forgetting = asyncio.create_task(self._forget_soon(), name="outbox forget")

    async def _forget_soon(self) -> None:
        await asyncio.sleep(FORGET_SECONDS)
        try:
            while self._published:
                await self._forget()
        except Unavailable as error:  # before the next poll it is tried again
            log.warning("outbox_forget_failed", error=str(error), count=len(self._published))

    async def _forget(self) -> None:
        """Delete the rows of what was published from memory; ends when none of them is left. Raises Unavailable."""
        async with self._one_forgets:
            gone = list(self._published)
            if gone:
                async with writing(self._engine) as connection:
                    await connection.execute(sa.delete(self._table).where(_one_of(connection, self._table, gone)))
                del self._published[: len(gone)]

    def _oldest(self, patience_seconds: float) -> sa.Select[Any]:
        table = self._table
        oldest = sa.select(table.c.id).order_by(table.c.id).limit(BATCH_ROWS)
        if patience_seconds:
            in_postgresql = self._engine.dialect.name == "postgresql"
            oldest = oldest.where(table.c.created_at < _moments_ago(in_postgresql, patience_seconds))
        return oldest

    async def _publish_locked(self, patience_seconds: float) -> int:
        """Delete, publish, commit: one statement, and a relay that dies in between has deleted nothing."""
        table = self._table
        oldest = self._oldest(patience_seconds).with_for_update(skip_locked=True)
        taken = sa.delete(table).where(table.c.id.in_(oldest)).returning(*table.c, database_now().label("now"))
        async with writing(self._engine) as connection:
            rows = sorted((await connection.execute(taken)).all(), key=lambda row: int(row.id))
            await self._publish(rows)
        return len(rows)

    async def _publish_unlocked(self, patience_seconds: float) -> int:
        """SQLite has one writer: do not hold its lock while publishing."""
        table = self._table
        oldest = self._oldest(patience_seconds).with_only_columns(*table.c, database_now().label("now"))
        async with reading(self._engine) as connection:
            rows = (await connection.execute(oldest)).all()
        await self._publish(rows)
        if rows:
            async with writing(self._engine) as connection:
                gone = [row.dedup_id for row in rows]
                await connection.execute(sa.delete(table).where(_one_of(connection, table, gone)))
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


def _one_of(connection: AsyncConnection, table: sa.Table, dedup_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """One bind for any number of ids."""
    if connection.dialect.name == "postgresql":
        return table.c.dedup_id == sa.any_(sa.bindparam(None, list(dedup_ids), type_=postgresql.ARRAY(sa.Text())))
    listed = sa.func.json_each(json.dumps(list(dedup_ids))).table_valued("value")
    return table.c.dedup_id.in_(sa.select(listed.c.value))


def _moments_ago(in_postgresql: bool, seconds: float) -> sa.ColumnElement[Any]:
    if in_postgresql:
        return sa.type_coerce(
            database_now() - sa.cast(sa.literal(f"{seconds} seconds", sa.Text()), postgresql.INTERVAL), Moment()
        )
    return sa.type_coerce(sa.type_coerce(database_now(), sa.Integer()) - int(seconds * 1_000_000), Moment())


_turns: WeakKeyDictionary[Engine, asyncio.Lock] = WeakKeyDictionary()


def _turn(engine: AsyncEngine) -> asyncio.Lock:
    """One relay at a time per SQLite engine."""
    return _turns.setdefault(engine.sync_engine, asyncio.Lock())
