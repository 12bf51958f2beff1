"""Where PostgreSQL and SQLite differ: the clock, sets of ids, upserts, and which errors mean that the store is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.database import Moment
from steptrail_common.errors import Unavailable
from steptrail_common.outbox import database_now

_BY_KEY = """
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
    SET enable_bitmapscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan
"""
FORGET_PLANS = "DISCARD PLANS"
PLANS_LAST_SECONDS = 5.0
"""So long a burst of runs into empty tables may go by plans for empty tables; planning anew costs milliseconds."""
PATIENCE_SECONDS = 30.0
"""How long one transaction may take before the store counts as away."""
_AWAY_STATES = ("08", "53", "57", "58", "25006", "40001", "40P01", "55P03")
"""SQLSTATE beginnings that pass by themselves: connection, resources, shutdown, read-only, serialisation, deadlock."""


def plan_by_key(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, whose statements all find their rows by key, so PostgreSQL plans little else for them. A plan
    made while tables were small would go on reading all of them until they are analysed: plans do not last either."""

    def connected(connection: Any, record: Any) -> None:
        # Outside a transaction, whose end would take it back, and not while connecting: poolers refuse that.
        connection.run_async(lambda driver: driver.execute(_BY_KEY))
        record.info["planned_at"] = time.monotonic()

    def taken(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info["planned_at"] < PLANS_LAST_SECONDS:
            return
        try:
            connection.run_async(lambda driver: driver.execute(FORGET_PLANS))
        except Exception as error:  # whatever a dead connection raises: another one is opened
            raise sa.exc.InvalidatePoolError from error
        record.info["planned_at"] = time.monotonic()

    sa.event.listen(engine.sync_engine, "connect", connected)
    sa.event.listen(engine.sync_engine, "checkout", taken)
    return engine


def after_now(connection: AsyncConnection, seconds: float) -> sa.ColumnElement[datetime]:
    """The moment `seconds` after the database's clock (before it, if negative)."""
    return plus(connection, database_now(), sa.literal(seconds, sa.Double()))


def plus(
    connection: AsyncConnection, moment: sa.ColumnElement[Any], seconds: sa.ColumnElement[Any]
) -> sa.ColumnElement[datetime]:
    """A moment and a number of seconds, added inside the database."""
    if connection.dialect.name == "postgresql":
        return sa.type_coerce(
            moment + seconds * sa.cast(sa.literal_column("'1 second'"), postgresql.INTERVAL), Moment()
        )
    microseconds = sa.cast(seconds * sa.literal(1_000_000.0, sa.Double()), sa.Integer())
    return sa.type_coerce(sa.type_coerce(moment, sa.Integer()) + microseconds, Moment())


def earlier(
    connection: AsyncConnection, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]
) -> sa.ColumnElement[datetime]:
    least = sa.func.least if connection.dialect.name == "postgresql" else sa.func.min
    return sa.type_coerce(least(one, other), Moment())


def one_of(connection: AsyncConnection, column: sa.ColumnElement[Any], ids: Collection[str]) -> sa.ColumnElement[bool]:
    """`column IN ids` with one bind, so that every number of ids is the same prepared statement."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.bindparam(None, list(ids), type_=postgresql.ARRAY(sa.Text())))
    listed = sa.func.json_each(to_json(list(ids)).decode()).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def upsert(
    connection: AsyncConnection, table: sa.Table, columns: Sequence[str], where: sa.ColumnElement[bool] | None = None
) -> Any:
    """Insert, or overwrite `columns` of the row that is there if `where` holds for it."""
    insert = _insert(connection, table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: insert.excluded[name] for name in columns},
        where=where,
    )


def insert_new(connection: AsyncConnection, table: sa.Table) -> Any:
    """Insert unless it is there."""
    return _insert(connection, table).on_conflict_do_nothing()


def _insert(connection: AsyncConnection, table: sa.Table) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """A store that is away or answers too late becomes `Unavailable`; errors that repeating cannot help pass."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except (OSError, TimeoutError, sa.exc.TimeoutError) as error:
        raise Unavailable("the database does not answer", retry_after_seconds=2) from error
    except (sa.exc.DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if not _is_away(error):
            raise
        raise Unavailable("the database cannot be used at the moment", retry_after_seconds=2) from error


def _is_away(error: Exception) -> bool:
    if isinstance(error, sa.exc.InterfaceError | asyncpg.InterfaceError):
        return True
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state is not None:
        return str(state).startswith(_AWAY_STATES)
    return isinstance(error, sa.exc.OperationalError)
