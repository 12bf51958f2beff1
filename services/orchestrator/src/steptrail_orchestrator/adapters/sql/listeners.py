"""Who listens: the check types that have a live worker, as this replica saw them last."""

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.database import reading, writing
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import attempts, runs, workers
from steptrail_orchestrator.adapters.sql.dialect import after_now, available, one_of


class Listeners:
    """A run whose request nobody takes must say so soon. While somebody listens, it is not looked at for that: whoever
    looks here wakes it when nobody does any more."""

    def __init__(self, engine: AsyncEngine, *, live_seconds: float) -> None:
        self._engine = engine
        self._live_seconds = live_seconds
        self._looked = False
        self.kinds: frozenset[str] = frozenset()

    async def live(self, connection: AsyncConnection) -> frozenset[str]:
        """The check types with a live worker now."""
        alive = sa.select(workers.c.check_types).where(workers.c.seen_at > after_now(connection, -self._live_seconds))
        return frozenset(kind for text in (await connection.scalars(alive)) for kind in from_json(text))

    async def look(self) -> None:
        """Look again; wake the runs whose open attempt nobody has taken and nobody listens for any more. The first look
        wakes all that nobody listens for: another replica may have died before it could."""
        async with available(), reading(self._engine) as connection:
            found = await self.live(connection)
        silent = None if not self._looked else self.kinds - found
        self._looked, self.kinds = True, found
        if silent is None:
            await self._wake(attempts.c.check_type.not_in(sorted(found)))
        elif silent:
            await self._wake(attempts.c.check_type.in_(sorted(silent)))

    async def _wake(self, unheard: sa.ColumnElement[bool]) -> None:
        """A run that somebody has locked is being looked at."""
        untaken = attempts.c.ended_at.is_(None) & attempts.c.lease_until.is_(None)
        waits = sa.exists().where(attempts.c.run_id == runs.c.run_id, untaken, unheard)
        async with available(), writing(self._engine) as connection:
            found = await connection.scalars(
                sa.select(runs.c.run_id)
                .where(runs.c.ended_at.is_(None), runs.c.wake_at > database_now(), waits)
                .order_by(runs.c.run_id)
                .with_for_update(skip_locked=True)
            )
            if run_ids := list(found):
                woken = sa.update(runs).where(one_of(connection, runs.c.run_id, run_ids))
                await connection.execute(woken.values(wake_at=database_now()))
