"""The writing side of the SQL store: one transaction over some processes and runs."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.contracts.schedules import ScheduleMissed

from steptrail_reporting.adapters.rows import process_of, process_row, run_of, run_row, step_of, step_row
from steptrail_reporting.adapters.schema import counters, missed_starts, processes, runs, steps
from steptrail_reporting.domain.facts import RunFacts
from steptrail_reporting.domain.process import CANCELLED, Ended, ProcessFacts
from steptrail_reporting.domain.rollup import Cell

Insert = postgresql.Insert | sqlite.Insert


class SqlRecording:
    """See `ports.Recording`. Rows are locked and written in the order of their keys, so replicas cannot deadlock."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.processes: dict[str, ProcessFacts] = {}
        self.runs: dict[str, RunFacts] = {}

    async def load(self, process_ids: Collection[str], run_ids: Collection[str]) -> None:
        """Lock the processes, making those that are new, then read the runs."""
        empty = [process_row(ProcessFacts(process_id)) for process_id in sorted(process_ids)]
        begun = _insert(self._connection.dialect.name, processes).on_conflict_do_nothing()
        await self._connection.execute(begun, empty)
        wanted = sa.select(processes).where(_one_of(self._connection, processes.c.process_id, process_ids))
        locked = await self._connection.execute(wanted.order_by(processes.c.process_id).with_for_update())
        self.processes = {row["process_id"]: process_of(row) for row in locked.mappings()}
        self.runs = await read_runs(self._connection, _of_runs(self._connection, runs, run_ids))

    async def save_runs(self, touched: Collection[RunFacts], differences: Mapping[Cell, int]) -> None:
        """See `ports.Recording`. Only steps that changed are written."""
        changed = [step_row(run.run_id, step) for run in touched for step in run.steps.values() if step.changed]
        await self._replace(runs, [run_row(run) for run in touched])
        await self._replace(steps, changed)
        added = [
            {
                "process_id": cell.process_id,
                "day": cell.day,
                "scope": cell.scope,
                "measure": cell.measure,
                "bucket": cell.bucket,
                "count": by,
            }
            for cell, by in sorted(differences.items())
        ]
        await self._write(_adding(self._connection.dialect.name), added)

    async def save_missed(self, missed: Collection[ScheduleMissed]) -> None:
        """See `ports.Recording`."""
        rows = sorted((event.schedule_id, event.tick_at, event.process_id, event.count) for event in missed)
        names = ("schedule_id", "tick_at", "process_id", "count")
        statement = _insert(self._connection.dialect.name, missed_starts).on_conflict_do_nothing()
        await self._write(statement, [dict(zip(names, row, strict=True)) for row in rows])

    async def save_processes(self, changed: Collection[ProcessFacts]) -> None:
        """See `ports.Recording`."""
        await self._replace(processes, [process_row(process) for process in changed])

    async def neighbours(self, process_id: str, ended: Ended) -> tuple[Ended | None, Ended | None]:
        """See `ports.Recording`."""
        place = sa.tuple_(runs.c.ended_at, runs.c.run_id)
        here = sa.tuple_(sa.literal(ended.ended_at, runs.c.ended_at.type), sa.literal(ended.run_id))
        history = (
            sa.select(runs.c.ended_at, runs.c.run_id, runs.c.status)
            .where(runs.c.process_id == process_id, runs.c.ended_at.is_not(None), runs.c.status != CANCELLED)
            .limit(1)
        )
        before = history.where(place < here).order_by(runs.c.ended_at.desc(), runs.c.run_id.desc())
        after = history.where(place > here).order_by(runs.c.ended_at, runs.c.run_id)
        return await self._ended(before), await self._ended(after)

    async def mark_change(self, run_id: str, changed: bool) -> None:
        """See `ports.Recording`."""
        marked = sa.update(runs).where(runs.c.run_id == run_id).values(status_changed=changed)
        await self._connection.execute(marked)

    async def last_change(self, process_id: str) -> datetime | None:
        """See `ports.Recording`."""
        marked = sa.select(runs.c.ended_at).where(runs.c.process_id == process_id, runs.c.status_changed)
        newest: datetime | None = await self._connection.scalar(marked.order_by(runs.c.ended_at.desc()).limit(1))
        return newest

    async def _ended(self, query: sa.Select[Any]) -> Ended | None:
        row = (await self._connection.execute(query)).one_or_none()
        return Ended(*row) if row else None

    async def _replace(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert the rows, overwriting those that exist."""
        rows.sort(key=itemgetter(*_key(table)))
        await self._write(_replacing(self._connection.dialect.name, table), rows)

    async def _write(self, statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            await self._connection.execute(statement, rows)


def _insert(dialect: str, table: sa.Table) -> Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@lru_cache
def _replacing(dialect: str, table: sa.Table) -> Insert:
    """Put together once: that takes longer than to run it."""
    insert, key = _insert(dialect, table), _key(table)
    rest = {column.name: insert.excluded[column.name] for column in table.c if column.name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=rest)


@lru_cache
def _adding(dialect: str) -> Insert:
    insert = _insert(dialect, counters)
    grown = counters.c.count + insert.excluded["count"]
    return insert.on_conflict_do_update(index_elements=_key(counters), set_={"count": grown})


async def read_runs(connection: AsyncConnection, wanted: sa.Select[Any]) -> dict[str, RunFacts]:
    """The runs a query selects, with their steps, in the query's order."""
    found = {row["run_id"]: run_of(row) for row in (await connection.execute(wanted)).mappings()}
    if found:
        parts = _of_runs(connection, steps, found)
        ordered = parts.order_by(*(parts.selected_columns[name] for name in ("run_id", "number", "step_id")))
        for row in (await connection.execute(ordered)).mappings():
            found[row["run_id"]].steps[row["step_id"]] = step_of(row)
    return found


def _one_of(connection: AsyncConnection, column: sa.ColumnElement[Any], ids: Collection[str]) -> sa.ColumnElement[bool]:
    """`column IN ids` with one bind, so that every number of ids is the same prepared statement."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.bindparam(None, sorted(ids), type_=postgresql.ARRAY(sa.Text())))
    listed = sa.func.json_each(json.dumps(sorted(ids))).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _of_runs(connection: AsyncConnection, table: sa.Table, run_ids: Collection[str]) -> sa.Select[Any]:
    """The rows of these runs. PostgreSQL looks up each: a plan made while the table was small would read all of it."""
    if connection.dialect.name != "postgresql":
        return sa.select(table).where(_one_of(connection, table.c.run_id, run_ids))
    ids = sa.bindparam("run_ids", sorted(run_ids), postgresql.ARRAY(sa.Text()))
    given = sa.func.unnest(ids).table_valued("value").render_derived()
    own = sa.select(table).where(table.c.run_id == given.c.value).offset(0).lateral("own")
    return sa.select(own).select_from(given.join(own, sa.true()))


def _key(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]
