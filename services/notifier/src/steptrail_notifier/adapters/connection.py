"""What both sides of the SQL store need of a connection: the dialect's insert, and the time."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.clock import Clock

Insert = postgresql.Insert | sqlite.Insert


def insert_into(connection: AsyncConnection, table: sa.Table) -> Insert:
    """An insert that knows `on_conflict_…`."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


async def now_of(connection: AsyncConnection, clock: Clock | None) -> datetime:
    """The database's clock, which all replicas share; SQLite has the clock of its one machine."""
    if clock is not None:
        return clock.now()
    if connection.dialect.name == "postgresql":
        told = await connection.scalar(sa.select(sa.func.clock_timestamp()))
        if isinstance(told, datetime):
            return told.astimezone(UTC)
    return datetime.now(UTC)
