"""The store in PostgreSQL or SQLite."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.reporting import RunFact
from steptrail_common.database import migrate, open_engine, reading, writing

from steptrail_reporting.adapters import overview
from steptrail_reporting.adapters.recording import SqlRecording, read_runs
from steptrail_reporting.adapters.rows import fact_of, process_of
from steptrail_reporting.adapters.schema import counters, missed_starts, processes, runs, steps
from steptrail_reporting.domain.facts import UNKNOWN, RunFacts
from steptrail_reporting.domain.figures import Tallies
from steptrail_reporting.domain.overview import OverviewPlace
from steptrail_reporting.domain.period import Period
from steptrail_reporting.domain.process import Ended, ProcessFacts
from steptrail_reporting.domain.rollup import DURATION, NOT_MEASURED, QUEUE_WAIT, RETRIES, STATUS, TRIGGER, WHOLE_RUN
from steptrail_reporting.ports import Position, RunFilter

MIGRATIONS = Path(__file__).parent / "migrations"
Sums = Counter[tuple[str, str, int]]


class SqlFactStore:
    """See `ports.FactStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, address: str) -> "SqlFactStore":
        """A store at `postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`; connects when first used."""
        return cls(open_engine(address))

    async def start(self) -> None:
        """Bring the schema up to date."""
        await migrate(self._engine, service="reporting", migrations=MIGRATIONS)

    async def close(self) -> None:
        await self._engine.dispose()

    async def check(self) -> None:
        """See `ports.FactStore`."""
        async with reading(self._engine) as connection:
            await connection.execute(sa.select(1))

    async def newest(self) -> datetime | None:
        """See `ports.FactStore`."""
        async with reading(self._engine) as connection:
            found = await connection.execute(sa.select(runs.c.queued_at).order_by(runs.c.queued_at.desc()).limit(1))
            moment: datetime | None = found.scalar_one_or_none()
            return moment

    @asynccontextmanager
    async def recording(self, *, process_ids: Collection[str], run_ids: Collection[str]) -> AsyncIterator[SqlRecording]:
        """See `ports.FactStore`."""
        async with writing(self._engine) as connection:
            recording = SqlRecording(connection)
            await recording.load(process_ids, run_ids)
            yield recording

    async def runs(self, wanted: RunFilter, *, after: Position | None, limit: int) -> list[RunFact]:
        """See `ports.FactStore`."""
        query = sa.select(runs).where(*_conditions(wanted))
        if after is not None:
            behind = sa.tuple_(sa.literal(after.queued_at, runs.c.queued_at.type), sa.literal(after.run_id))
            query = query.where(sa.tuple_(runs.c.queued_at, runs.c.run_id) < behind)
        query = query.order_by(runs.c.queued_at.desc(), runs.c.run_id.desc()).limit(limit)
        async with reading(self._engine) as connection:
            return [fact_of(row) for row in (await connection.execute(query)).mappings()]

    async def processes(self, process_ids: Sequence[str]) -> dict[str, ProcessFacts]:
        """See `ports.FactStore`."""
        query = sa.select(processes).where(processes.c.process_id.in_(process_ids))
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).mappings()
            return {row["process_id"]: process_of(row) for row in rows}

    async def tallies(self, process_id: str, period: Period) -> Tallies:
        """See `ports.FactStore`."""
        days, edges = period.parts()
        sums: Sums = Counter()
        async with reading(self._engine) as connection:
            if days is not None:
                await _add_days(connection, sums, process_id, days)
            for edge in edges:
                await _add_runs(connection, sums, process_id, edge)
                await _add_steps(connection, sums, process_id, edge)
        return {cell: count for cell, count in sums.items() if count}

    async def changes(self, process_id: str, period: Period, *, before: int) -> list[Ended]:
        """See `ports.FactStore`."""
        marked = sa.select(runs.c.ended_at, runs.c.run_id, runs.c.status).where(
            runs.c.process_id == process_id, runs.c.status_changed
        )
        inside = marked.where(runs.c.ended_at >= period.since, runs.c.ended_at < period.until)
        earlier = marked.where(runs.c.ended_at < period.since).order_by(runs.c.ended_at.desc()).limit(before)
        async with reading(self._engine) as connection:
            rows = [*(await connection.execute(inside)).all(), *(await connection.execute(earlier)).all()]
        return sorted(Ended(*row) for row in rows)

    async def overview(self, *, after: OverviewPlace | None, limit: int) -> list[tuple[OverviewPlace, ProcessFacts]]:
        """See `ports.FactStore`."""
        async with reading(self._engine) as connection:
            return await overview.page(connection, after, limit)

    async def standing(self) -> tuple[dict[str | None, int], int]:
        """See `ports.FactStore`."""
        async with reading(self._engine) as connection:
            return await overview.counts(connection)

    async def daily(self, process_id: str, scope: str, days: tuple[date, date]) -> dict[date, Tallies]:
        """See `ports.FactStore`."""
        query = sa.select(counters.c.day, counters.c.measure, counters.c.bucket, counters.c.count).where(
            counters.c.process_id == process_id, counters.c.scope == scope, counters.c.day.between(*days)
        )
        found: dict[date, Sums] = {}
        async with reading(self._engine) as connection:
            for day, measure, bucket, count in await connection.execute(query):
                if count:
                    found.setdefault(day, Counter())[scope, measure, bucket] = int(count)
        return dict(found)

    async def missed(self, process_id: str, period: Period) -> dict[date, int]:
        """See `ports.FactStore`."""
        at = missed_starts.c.tick_at
        mine = sa.select(at, missed_starts.c.count).where(
            missed_starts.c.process_id == process_id, at >= period.since, at < period.until
        )
        found: Counter[date] = Counter()
        async with reading(self._engine) as connection:
            for tick_at, count in await connection.execute(mine):
                found[tick_at.astimezone(UTC).date()] += count
        return dict(found)

    async def last_runs(self, process_id: str, limit: int) -> list[RunFacts]:
        """See `ports.FactStore`."""
        newest = sa.select(runs).where(runs.c.process_id == process_id)
        newest = newest.order_by(runs.c.queued_at.desc(), runs.c.run_id.desc()).limit(limit)
        async with reading(self._engine) as connection:
            found = await read_runs(connection, newest)
        return list(found.values())


def _conditions(wanted: RunFilter) -> list[sa.ColumnElement[bool]]:
    exact = {"key": wanted.key, "initiated_by": wanted.initiated_by, "trigger": wanted.trigger}
    conditions = [runs.c[name] == value for name, value in exact.items() if value is not None]
    if wanted.process_ids:
        conditions.append(runs.c.process_id.in_(wanted.process_ids))
    if wanted.statuses:
        conditions.append(runs.c.status.in_(wanted.statuses))
    if wanted.since is not None:
        conditions.append(runs.c.queued_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(runs.c.queued_at < wanted.until)
    words = (wanted.text or "").lower().split()
    return conditions + [runs.c.search.contains(word, autoescape=True) for word in words]


async def _add_days(connection: AsyncConnection, sums: Sums, process_id: str, days: tuple[date, date]) -> None:
    key = (counters.c.scope, counters.c.measure, counters.c.bucket)
    inside = sa.and_(counters.c.process_id == process_id, counters.c.day.between(*days))
    query = sa.select(*key, sa.func.sum(counters.c.count)).where(inside).group_by(*key)
    for scope, measure, bucket, count in await connection.execute(query):
        sums[scope, measure, bucket] += int(count)


async def _add_runs(connection: AsyncConnection, sums: Sums, process_id: str, edge: tuple[datetime, datetime]) -> None:
    """The same as `domain.rollup.contributions` of the runs that ended within the edge, counted by the database."""
    key = (runs.c.status, sa.func.coalesce(runs.c.trigger, UNKNOWN), runs.c.duration_bucket)
    query = sa.select(*key, sa.func.count(), sa.func.sum(runs.c.retries)).where(_ended_in(process_id, edge))
    for status, trigger, bucket, count, retries in await connection.execute(query.group_by(*key)):
        sums[WHOLE_RUN, STATUS + status, 0] += count
        sums[WHOLE_RUN, TRIGGER + trigger, 0] += count
        sums[WHOLE_RUN, RETRIES, 0] += int(retries)
        if bucket is not None:
            sums[WHOLE_RUN, DURATION, bucket] += count


async def _add_steps(connection: AsyncConnection, sums: Sums, process_id: str, edge: tuple[datetime, datetime]) -> None:
    key = (steps.c.step_id, steps.c.status, steps.c.duration_bucket, steps.c.queue_wait_bucket)
    query = (
        sa.select(*key, sa.func.count(), sa.func.sum(steps.c.retries))
        .join_from(runs, steps, runs.c.run_id == steps.c.run_id)
        .where(_ended_in(process_id, edge), steps.c.status_seq > 0)
        .group_by(*key)
    )
    for step_id, status, bucket, wait, count, retries in await connection.execute(query):
        if wait is not None:
            sums[WHOLE_RUN, QUEUE_WAIT, wait] += count
        if status in NOT_MEASURED:
            continue
        sums[step_id, STATUS + status, 0] += count
        sums[step_id, RETRIES, 0] += int(retries)
        if bucket is not None:
            sums[step_id, DURATION, bucket] += count


def _ended_in(process_id: str, edge: tuple[datetime, datetime]) -> sa.ColumnElement[bool]:
    return sa.and_(runs.c.process_id == process_id, runs.c.ended_at >= edge[0], runs.c.ended_at < edge[1])
