"""Whose turn it is to look at the rights of accounts, in PostgreSQL or SQLite."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.database import writing
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import inspections
from steptrail_orchestrator.adapters.sql.dialect import after_now, available, upsert


class SqlInspectionStore:
    """`InspectionStore` on an engine of `steptrail_common.database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim(self, connection_id: str, version: int, *, seconds: float) -> bool:
        c = inspections.c
        async with available(), writing(self._engine) as connection:
            values = {"connection_id": connection_id, "version": version, "next_at": after_now(connection, seconds)}
            mine = upsert(
                connection,
                inspections,
                ["version", "next_at"],
                where=sa.or_(c.version != version, c.next_at <= database_now()),
            )
            claimed = await connection.execute(mine.values(values).returning(c.connection_id))
            return claimed.first() is not None

    async def put_off(self, connection_id: str, version: int, *, seconds: float) -> None:
        mine = (inspections.c.connection_id == connection_id) & (inspections.c.version == version)
        async with available(), writing(self._engine) as connection:
            later = {"next_at": after_now(connection, seconds)}
            await connection.execute(sa.update(inspections).where(mine).values(later))
