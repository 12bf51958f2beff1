"""The partitions of steps, attempts, events and evidence: one a month, by the moment in the ids of their runs.

Only PostgreSQL has them. `…_first` holds what was there before there were partitions, `…_rest` what fits into none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import archived, attempts, events, evidence, late_results, run_steps, runs
from steptrail_orchestrator.adapters.sql.dialect import one_of

PARTITIONED = (evidence, events, attempts, run_steps)
MONTHS_AHEAD = 3
"""Made before they are needed: a replica makes them at its start and every hour."""
_LOCK_TIMEOUT = "2s"
"""A partition is made or dropped under a short lock of the whole table; if there is no moment for it, in an hour."""
_RUNS_AT_ONCE = 1000
"""Deleted in one transaction, each with a look into everything that could refer to it: a fraction of a second."""
_BOUNDS = sa.text(
    "SELECT part.relname, pg_get_expr(part.relpartbound, part.oid) AS bounds FROM pg_inherits"
    " JOIN pg_class AS part ON part.oid = inhrelid WHERE inhparent = to_regclass(:table)"
)


@dataclass(frozen=True, slots=True)
class Month:
    """A partition by its name behind the table's, and the ids it holds: from `lower` ('' for all before) to `upper`."""

    name: str
    lower: str
    upper: str


def first_id(moment: datetime) -> str:
    """What the ids of all runs of this moment and later are not smaller than. UUIDv7: RFC 9562, section 5.7."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def month_of(moment: datetime, ahead: int = 0) -> datetime:
    """The beginning of its month in UTC, or of one so many months later."""
    count = moment.year * 12 + moment.month - 1 + ahead
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


async def known(connection: AsyncConnection) -> list[Month]:
    """The partitions with bounds, oldest first."""
    found = await connection.execute(_BOUNDS, {"table": run_steps.name})
    months = []
    for name, bounds in found:
        if bounds != "DEFAULT":
            lower, upper = bounds.removeprefix("FOR VALUES FROM (").removesuffix(")").split(") TO (")
            lower = "" if lower == "MINVALUE" else lower.strip("'")
            months.append(Month(name.removeprefix(run_steps.name), lower, upper.strip("'")))
    return sorted(months, key=lambda month: month.lower)


async def make_ahead(connection: AsyncConnection) -> list[str]:
    """Make the partitions of this month and the next ones that are missing; their names. One replica at a time."""
    await _alone(connection)
    now = (await connection.execute(sa.select(database_now()))).scalar_one()
    upper = max((month.upper for month in await known(connection)), default="")
    made = []
    for ahead in range(MONTHS_AHEAD + 1):
        begin, end = month_of(now, ahead), month_of(now, ahead + 1)
        if first_id(begin) >= upper and not await _taken(connection, first_id(begin), first_id(end)):
            made.append(f"_{begin:%Y_%m}")
            for table in PARTITIONED:
                name = f"{table.name}{made[-1]}"
                await connection.execute(sa.text(f"""
                    CREATE TABLE {name} PARTITION OF {table.name}
                    FOR VALUES FROM ('{first_id(begin)}') TO ('{first_id(end)}') WITH (fillfactor = 70)
                """))  # fmt: skip
    return made


async def _taken(connection: AsyncConnection, lower: str, upper: str) -> bool:
    """Whether `…_rest` holds ids of that range, from a host whose clock was ahead: they stay there, with all others."""
    for table in PARTITIONED:
        query = f"SELECT EXISTS (SELECT FROM {table.name}_rest WHERE run_id >= :lower AND run_id < :upper)"  # noqa: S608
        if await connection.scalar(sa.text(query), {"lower": lower, "upper": upper}):
            return True
    return False


async def expired(connection: AsyncConnection, before: datetime) -> str | None:
    """The name of the oldest partition all of whose runs ended before the moment, if it is closed by then."""
    for month in await known(connection):
        if month.upper > first_id(before):
            return None
        kept = sa.or_(runs.c.ended_at.is_(None), runs.c.ended_at >= before)
        if not await connection.scalar(sa.select(sa.exists().where(_within(month), kept))):
            return month.name
    return None


async def drop(connection: AsyncConnection, name: str) -> Month | None:
    """Drop the partition of every table; its runs stay for `forget_runs`. None if somebody else did it."""
    await _alone(connection)
    month = await _named(connection, name)
    if month is not None:
        for table in PARTITIONED:
            await connection.execute(sa.text(f"DROP TABLE {table.name}{month.name}"))
    return month


async def forget_runs(connection: AsyncConnection, month: Month) -> int:
    """Delete some of the runs of a month that was dropped; returns how many, 0 when none is left."""
    some = (await connection.scalars(sa.select(runs.c.run_id).where(_within(month)).limit(_RUNS_AT_ONCE))).all()
    for table in (archived, late_results, runs):
        await connection.execute(sa.delete(table).where(one_of(connection, table.c.run_id, some)))
    return len(some)


async def run_ids(connection: AsyncConnection, name: str, *, after: str, limit: int) -> Sequence[str]:
    """Of the runs of a partition, in order."""
    month = await _named(connection, name)
    if month is None:
        return []
    wanted = sa.select(runs.c.run_id).where(_within(month), runs.c.run_id > after).order_by(runs.c.run_id).limit(limit)
    return (await connection.scalars(wanted)).all()


async def _named(connection: AsyncConnection, name: str) -> Month | None:
    return next((month for month in await known(connection) if month.name == name), None)


def _within(month: Month) -> sa.ColumnElement[bool]:
    return sa.and_(runs.c.run_id >= month.lower, runs.c.run_id < month.upper)


async def _alone(connection: AsyncConnection) -> None:
    await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("steptrail months"))))
