"""Places under limits as rows: locked while somebody decides, written with what was decided."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import runs, turns
from steptrail_orchestrator.adapters.sql.dialect import one_of
from steptrail_orchestrator.domain.turns import Turn, Turns, names_of
from steptrail_orchestrator.domain.walk import Walk


async def lock(connection: AsyncConnection, walks: Sequence[Walk]) -> None:
    """Give the walks the turns of their limits, locked until the end of the transaction. Costs nothing without limits.

    The locks are advisory ones, taken in order of their names and after those of the runs. SQLite has one writer.
    """
    limited = [walk for walk in walks if names_of(walk.chain)]
    if not limited:
        return
    names = sorted({name for walk in limited for name in names_of(walk.chain)})
    if connection.dialect.name == "postgresql":
        for name in names:
            key = sa.func.hashtextextended(name, sa.literal(0, sa.BigInteger()))
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    rows = await connection.execute(_foremost(connection, names, [walk.run.run_id for walk in limited]))
    known = Turns(
        Turn(row.limit, row.run_id, row.process_id, row.urgent, row.since, row.places, row.held) for row in rows
    )
    for walk in limited:
        walk.turns = known


def _foremost(connection: AsyncConnection, names: Sequence[str], run_ids: Sequence[str]) -> sa.Select[Any]:
    """All places that are held, all turns of these runs, and of the runs that wait as many of each process as could
    find a place: thousands may wait behind them."""
    nth = sa.func.row_number().over(
        partition_by=(turns.c.limit, turns.c.held, turns.c.process_id, turns.c.urgent),
        order_by=(turns.c.since, turns.c.run_id),
    )
    most = sa.func.max(turns.c.places).over(partition_by=turns.c.limit)
    mine = one_of(connection, turns.c.limit, names)
    found = sa.select(turns, nth.label("nth"), most.label("most")).where(mine).subquery()
    own = one_of(connection, found.c.run_id, run_ids)
    return sa.select(found).where(sa.or_(found.c.held, found.c.nth <= found.c.most, own))


async def write(connection: AsyncConnection, walks: Sequence[Walk]) -> bool:
    """Store what became of the turns and wake the runs that have one now; whether any was woken."""
    known = next((walk.turns for walk in walks if walk.turns is not None), None)
    if known is None or not known.changed:
        return False
    await connection.execute(sa.delete(turns).where(one_of(connection, turns.c.run_id, known.changed)))
    stored = known.of(known.changed)
    if stored:
        columns = [column.name for column in turns.columns]
        await connection.execute(sa.insert(turns), [{name: getattr(turn, name) for name in columns} for turn in stored])
    waiting = known.next_up() - {walk.run.run_id for walk in walks}
    if not waiting:
        return False
    # A run that somebody else has locked looks again by itself: waiting for it here could end in a deadlock.
    found = await connection.scalars(
        sa.select(runs.c.run_id)
        .where(one_of(connection, runs.c.run_id, waiting), runs.c.ended_at.is_(None))
        .order_by(runs.c.run_id)
        .with_for_update(skip_locked=True)
    )
    woken = list(found)
    if woken:
        await connection.execute(
            sa.update(runs).where(one_of(connection, runs.c.run_id, woken)).values(wake_at=database_now())
        )
    return bool(woken)
