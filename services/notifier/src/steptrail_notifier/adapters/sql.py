"""The store in PostgreSQL or SQLite: taking events, sending, and keeping itself small."""

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.clock import Clock
from steptrail_common.database import migrate, open_engine, reading, writing

from steptrail_notifier.adapters.connection import now_of
from steptrail_notifier.adapters.incidents import SqlIncidents
from steptrail_notifier.adapters.recording import SqlRecording
from steptrail_notifier.adapters.rows import channel_of, claimed_of, delivery_row
from steptrail_notifier.adapters.schema import channels, deliveries, incident_keys, incident_lines, incidents, outcomes
from steptrail_notifier.domain.delivery import Attempt, Step
from steptrail_notifier.ports import Claimed, NewDelivery

MIGRATIONS = Path(__file__).parent / "migrations"
KEEP_EVENTS = timedelta(days=3)
"""Events of outcomes are needed while deliveries of them may still be made."""
KEEP_OUTCOMES = timedelta(days=400)
"""A streak of yearly runs is still a streak."""
KEEP_DELIVERIES = timedelta(days=90)
KEEP_INCIDENTS = timedelta(days=90)
"""After they were resolved; so long also the keys that left and the lines of one that stays open."""
LONGEST_ERROR = 1000


class SqlNotifierStore(SqlIncidents):
    """See `ports.NotifierStore`. `clock` replaces the database's clock, for tests."""

    announced: Callable[[], None] = staticmethod(lambda: None)
    """Called after a commit that put events into the outbox."""

    @classmethod
    def open(cls, address: str, *, clock: Clock | None = None) -> "SqlNotifierStore":
        """A store at `postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`; connects when first used."""
        return cls(open_engine(address), clock)

    @property
    def engine(self) -> AsyncEngine:
        """For the relay of its outbox."""
        return self._engine

    async def start(self) -> None:
        """Bring the schema up to date."""
        await migrate(self._engine, service="notifier", migrations=MIGRATIONS)

    async def close(self) -> None:
        await self._engine.dispose()

    async def check(self) -> None:
        """See `ports.NotifierStore`."""
        async with reading(self._engine) as connection:
            await connection.execute(sa.select(1))

    async def newest(self) -> datetime | None:
        """See `ports.NotifierStore`."""
        async with reading(self._engine) as connection:
            found = await connection.execute(
                sa.select(outcomes.c.ended_at).order_by(outcomes.c.ended_at.desc()).limit(1)
            )
            moment: datetime | None = found.scalar_one_or_none()
            return moment

    async def now(self) -> datetime:
        """See `ports.NotifierStore`."""
        async with reading(self._engine) as connection:
            return await now_of(connection, self._clock)

    @asynccontextmanager
    async def recording(self, process_ids: Collection[str]) -> AsyncIterator[SqlRecording]:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            recording = SqlRecording(connection, self._clock)
            await recording.load(process_ids)
            yield recording
        if recording.has_announced:
            self.announced()

    async def queue_test(self, delivery: NewDelivery, *, lease_seconds: float) -> Claimed:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            now = await now_of(connection, self._clock)
            held = {"next_try_at": now + timedelta(seconds=lease_seconds), "token": uuid4().hex, "tries": 1}
            await connection.execute(sa.insert(deliveries), [delivery_row(delivery, now) | held])
            (claimed,) = await _claimed(connection, [delivery.delivery_id])
            return claimed

    async def claim(
        self, *, limit: int, per_channel: int, busy: Collection[str], lease_seconds: float
    ) -> list[Claimed]:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            now = await now_of(connection, self._clock)
            locked = _due(now, limit, per_channel, busy).with_for_update(skip_locked=True)
            ids = list((await connection.scalars(locked)).all())
            if not ids:
                return []
            held = {
                "token": uuid4().hex,
                "tries": deliveries.c.tries + 1,
                "next_try_at": now + timedelta(seconds=lease_seconds),
            }
            await connection.execute(sa.update(deliveries).where(deliveries.c.delivery_id.in_(ids)).values(held))
            return await _claimed(connection, ids)

    async def finish(self, claimed: Claimed, attempt: Attempt, step: Step) -> bool:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            written = await connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.delivery_id == claimed.delivery_id, deliveries.c.token == claimed.token)
                .values(
                    status=step.status,
                    next_try_at=step.next_try_at,
                    token=None,
                    delivered_at=await now_of(connection, self._clock) if step.status == "delivered" else None,
                    last_status_code=attempt.status_code,
                    last_answer=attempt.answer[:LONGEST_ERROR] if attempt.answer else None,
                    last_error=step.error[:LONGEST_ERROR] if step.error else None,
                    **({"owed": json.dumps(attempt.owed)} if attempt.owed else {}),
                )
            )
            return written.rowcount == 1

    async def tidy(self) -> None:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            now = await now_of(connection, self._clock)
            old = sa.and_(outcomes.c.ended_at < now - KEEP_EVENTS, outcomes.c.event != "")
            await connection.execute(sa.update(outcomes).where(old).values(event=""))
            await connection.execute(sa.delete(outcomes).where(outcomes.c.ended_at < now - KEEP_OUTCOMES))
            closed = sa.and_(deliveries.c.status != "pending", deliveries.c.created_at < now - KEEP_DELIVERIES)
            await connection.execute(sa.delete(deliveries).where(closed))
            await _tidy_incidents(connection, now - KEEP_INCIDENTS)


async def _tidy_incidents(connection: AsyncConnection, until: datetime) -> None:
    """Drop what was over before."""
    gone = sa.select(incidents.c.incident_id).where(incidents.c.resolved_at < until)
    for table, at in ((incident_keys, incident_keys.c.cleared_at), (incident_lines, incident_lines.c.at)):
        await connection.execute(sa.delete(table).where(sa.or_(table.c.incident_id.in_(gone), at < until)))
    await connection.execute(sa.delete(incidents).where(incidents.c.resolved_at < until))


def _due(now: datetime, limit: int, per_channel: int, busy: Collection[str]) -> sa.Select[Any]:
    """Ids of due deliveries, at most so many of each channel: a slow channel cannot take all the room."""
    is_due = sa.and_(
        deliveries.c.status == "pending", deliveries.c.next_try_at <= now, deliveries.c.channel_id.not_in(busy)
    )
    rank = sa.func.row_number().over(partition_by=deliveries.c.channel_id, order_by=deliveries.c.next_try_at)
    ranked = sa.select(deliveries.c.delivery_id, rank.label("rank")).where(is_due).subquery()
    first = sa.select(ranked.c.delivery_id).where(ranked.c.rank <= per_channel).limit(limit)
    return sa.select(deliveries.c.delivery_id).where(is_due, deliveries.c.delivery_id.in_(first))


async def _claimed(connection: AsyncConnection, ids: Collection[str]) -> list[Claimed]:
    rows = (await connection.execute(sa.select(deliveries).where(deliveries.c.delivery_id.in_(ids)))).mappings().all()
    wanted = sa.select(channels).where(channels.c.channel_id.in_({row["channel_id"] for row in rows}))
    known = {row["channel_id"]: channel_of(row) for row in (await connection.execute(wanted)).mappings()}
    return [claimed_of(row, known.get(row["channel_id"])) for row in rows]
