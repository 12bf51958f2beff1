"""The last stuck board of each process, in PostgreSQL or SQLite."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.board import BoardKey, BoardStep
from steptrail_common.contracts.model import RunStatus
from steptrail_common.database import reading, writing
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import board_keys, boards, runs
from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.dialect import available, one_of, upsert
from steptrail_orchestrator.domain.board import Placed, Taken
from steptrail_orchestrator.ports import BoardFilter, BoardPlace

_STEPS = TypeAdapter(list[BoardStep])
_PAST_ALL = 1_000_000
"""Stands for the number of a step behind the last one."""


class SqlBoardStore:
    """`BoardStore` on an engine of `steptrail_common.database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store(self, taken: Taken, placed: Sequence[Placed]) -> None:
        async with available(), writing(self._engine) as connection:
            await _note(connection, _values(taken))
            mine = board_keys.c.process_id == taken.process_id
            before = {
                row.key: (row.number, row.here_since)
                for row in await connection.execute(
                    sa.select(board_keys.c.key, board_keys.c.number, board_keys.c.here_since).where(mine)
                )
            }
            await connection.execute(sa.delete(board_keys).where(mine))
            if placed:
                values = [_key_values(taken, one, before.get(rows.clean(one.key) or "")) for one in placed]
                await connection.execute(sa.insert(board_keys), values)

    async def failed(self, process_id: str, message: str) -> None:
        async with available(), writing(self._engine) as connection:
            now = (await connection.execute(sa.select(database_now()))).scalar_one()
            await _note(connection, {"process_id": process_id, "failed_at": now, "message": rows.clean(message)})

    async def last(self, process_id: str) -> tuple[Taken | None, tuple[datetime, str] | None]:
        async with available(), reading(self._engine) as connection:
            row = (await connection.execute(sa.select(boards).where(boards.c.process_id == process_id))).one_or_none()
        if row is None:
            return None, None
        failure = (row.failed_at, row.message) if row.failed_at is not None else None
        return (_taken(row) if row.taken_at is not None else None), failure

    async def keys(
        self, process_id: str, wanted: BoardFilter, *, after: BoardPlace | None, limit: int
    ) -> list[tuple[BoardKey, BoardPlace]]:
        """Keys without a moment come last; among equals they go by key."""
        c = board_keys.c
        order = sa.func.coalesce(c.since_at, sa.literal(_LATEST, c.since_at.type))
        statement = sa.select(board_keys, order.label("place")).where(c.process_id == process_id)
        if wanted.number is not None:
            statement = statement.where(c.number == wanted.number)
        if wanted.finished:
            statement = statement.where(c.number == _PAST_ALL)
        if wanted.beginning:
            statement = statement.where(c.key.startswith(wanted.beginning, autoescape=True))
        if after is not None:
            at = sa.literal(after.since_at or _LATEST, c.since_at.type)
            statement = statement.where(sa.tuple_(order, c.key) > sa.tuple_(at, sa.literal(after.key)))
        async with available(), reading(self._engine) as connection:
            found = (await connection.execute(statement.order_by(order, c.key).limit(limit))).all()
            newest = await _newest_runs(connection, process_id, [row.key for row in found])
            now = (await connection.execute(sa.select(database_now()))).scalar_one()
        return [(_board_key(row, newest.get(row.key), now), BoardPlace(row.since_at, row.key)) for row in found]


async def _note(connection: AsyncConnection, values: dict[str, Any]) -> None:
    changing = [name for name in values if name != "process_id"]
    await connection.execute(upsert(connection, boards, changing), values)


async def _newest_runs(connection: AsyncConnection, process_id: str, keys: Sequence[str]) -> dict[str, Any]:
    """The newest run of each key; ids grow with time."""
    mine = (runs.c.process_id == process_id) & one_of(connection, runs.c.key, keys)
    newest = sa.select(sa.func.max(runs.c.run_id)).where(mine).group_by(runs.c.key)
    found = await connection.execute(
        sa.select(runs.c.key, runs.c.run_id, runs.c.status, runs.c.queued_at).where(runs.c.run_id.in_(newest))
    )
    return {row.key: row for row in found}


_LATEST = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def _values(taken: Taken) -> dict[str, Any]:
    return {
        "process_id": taken.process_id,
        "revision": taken.revision,
        "taken_at": taken.taken_at,
        "taken_by": rows.clean(taken.taken_by),
        "duration_seconds": taken.duration_seconds,
        "steps": _STEPS.dump_json(taken.steps).decode(),
        "open_keys": taken.open_keys,
        "finished": taken.finished,
        "failed_at": None,
        "message": None,
    }


def _taken(row: Any) -> Taken:
    return Taken(
        process_id=row.process_id,
        revision=row.revision,
        taken_at=row.taken_at,
        taken_by=row.taken_by,
        duration_seconds=row.duration_seconds,
        steps=_STEPS.validate_json(row.steps),
        open_keys=row.open_keys,
        finished=row.finished,
    )


def _key_values(taken: Taken, one: Placed, before: tuple[int, datetime] | None) -> dict[str, Any]:
    number = one.number or _PAST_ALL
    return {
        "process_id": taken.process_id,
        "key": rows.clean(one.key),
        "number": number,
        "since_at": one.since_at,
        "here_since": before[1] if before and before[0] == number else taken.taken_at,
    }


def _board_key(row: Any, run: Any, now: datetime) -> BoardKey:
    return BoardKey(
        key=row.key,
        step_id=None,
        step_number=None if row.number == _PAST_ALL else row.number,
        step_name=None,
        since_at=row.since_at,
        age_seconds=None if row.since_at is None else max((now - row.since_at).total_seconds(), 0.0),
        here_since=row.here_since,
        run_id=run.run_id if run else None,
        run_status=RunStatus(run.status) if run else None,
        run_at=run.queued_at if run else None,
    )
