"""How long runs are kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.database import reading, writing
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import archived, attempts, events, evidence, late_results, run_steps, runs
from steptrail_orchestrator.adapters.sql import months
from steptrail_orchestrator.adapters.sql.dialect import available, insert_new, one_of
from steptrail_orchestrator.domain.run import later


class SqlRunKeeping:
    """`RunKeeping` on an engine of `steptrail_common.database`. SQLite has no partitions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._partitioned = engine.dialect.name == "postgresql"

    async def prepare_months(self) -> None:
        if self._partitioned:
            async with available(), writing(self._engine) as connection:
                await months.make_ahead(connection)

    async def expired_month(self, *, older_than_seconds: float) -> str | None:
        if not self._partitioned:
            return None
        async with available(), reading(self._engine) as connection:
            now = (await connection.execute(sa.select(database_now()))).scalar_one()
            return await months.expired(connection, later(now, -older_than_seconds))

    async def runs_of_month(self, month: str, *, after: str, limit: int) -> Sequence[str]:
        async with available(), reading(self._engine) as connection:
            return await months.run_ids(connection, month, after=after, limit=limit)

    async def forget_month(self, month: str) -> int:
        async with available(), writing(self._engine) as connection:
            dropped = await months.drop(connection, month)
        forgotten = 0
        while dropped is not None and (some := await self._forget_runs(dropped)):
            forgotten += some
        return forgotten

    async def _forget_runs(self, month: months.Month) -> int:
        """Not in the transaction that drops: it locks whole tables, and a month can have a million runs."""
        async with available(), writing(self._engine) as connection:
            return await months.forget_runs(connection, month)

    async def expired(self, *, older_than_seconds: float, limit: int) -> Sequence[str]:
        async with available(), reading(self._engine) as connection:
            now = (await connection.execute(sa.select(database_now()))).scalar_one()
            before = later(now, -older_than_seconds)
            found = await connection.execute(
                sa.select(runs.c.run_id)
                .where(runs.c.queued_at < before, runs.c.ended_at < before)
                .order_by(runs.c.queued_at)
                .limit(limit)
            )
            return list(found.scalars())

    async def forget(self, run_ids: Sequence[str]) -> None:
        async with available(), writing(self._engine) as connection:
            ended = await connection.execute(
                sa.select(runs.c.run_id)
                .where(one_of(connection, runs.c.run_id, run_ids), runs.c.ended_at.is_not(None))
                .order_by(runs.c.run_id)
                .with_for_update()
            )
            gone = list(ended.scalars())
            for table in (archived, evidence, late_results, events, attempts, run_steps, runs):
                await connection.execute(sa.delete(table).where(one_of(connection, table.c.run_id, gone)))

    async def not_archived(self, run_ids: Sequence[str]) -> Sequence[str]:
        async with available(), reading(self._engine) as connection:
            mine = one_of(connection, archived.c.run_id, run_ids)
            noted = set(await connection.scalars(sa.select(archived.c.run_id).where(mine)))
        return [run_id for run_id in run_ids if run_id not in noted]

    async def note_archived(self, run_ids: Sequence[str]) -> None:
        async with available(), writing(self._engine) as connection:
            mine = one_of(connection, runs.c.run_id, run_ids)
            found = (
                sa.select(runs.c.run_id).where(mine).order_by(runs.c.run_id).with_for_update(read=True, key_share=True)
            )
            rows = [{"run_id": run_id} for run_id in await connection.scalars(found)]
            if rows:
                await connection.execute(insert_new(connection, archived), rows)
