"""Schedules in PostgreSQL or SQLite: due times in rows, acted upon by whichever replica locks them first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common import outbox as outbox_rows
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.definition import MaintenanceWindow, Schedule
from steptrail_common.contracts.events import CONTENT_TYPE, routing_key
from steptrail_common.contracts.schedules import NextRun, ScheduleMissed, TickView
from steptrail_common.database import reading, writing
from steptrail_common.outbox import Entry, database_now

from steptrail_orchestrator.adapters.schema import outbox, runs, schedule_sources, schedule_ticks, schedules
from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.dialect import available, insert_new, one_of, upsert
from steptrail_orchestrator.adapters.sql.store import SqlRunStore
from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.schedules import (
    MISSED,
    Planned,
    Tick,
    carried_over,
    due_ticks,
    missed_envelope,
    pause_gap,
)
from steptrail_orchestrator.ports import Fired, Refusal, RunOrder

_WINDOWS = TypeAdapter(list[MaintenanceWindow])


class SqlScheduleStore:
    """`ScheduleStore` on the engine of the runs; a tick and its run are one transaction."""

    def __init__(self, engine: AsyncEngine, store: SqlRunStore) -> None:
        self._engine = engine
        self._store = store

    async def replace(self, process_id: str, revision: int, planned: Callable[[datetime], list[Planned]]) -> bool:
        async with available(), writing(self._engine) as connection:
            if not await _newer(connection, process_id, revision):
                return False
            now = await _clock(connection)
            known = {row.schedule_id: row for row in await _locked(connection, schedules.c.process_id == process_id)}
            fresh = [
                carried_over(one, known[one.schedule_id], now) if one.schedule_id in known else one
                for one in planned(now)
            ]
            gone = known.keys() - {one.schedule_id for one in fresh}
            if gone:
                await connection.execute(sa.delete(schedules).where(one_of(connection, schedules.c.schedule_id, gone)))
            if fresh:
                changing = rows.columns(schedules, "schedule_id")
                await connection.execute(upsert(connection, schedules, changing), [_values(one) for one in fresh])
            return True

    async def forget(self, process_id: str) -> None:
        async with available(), writing(self._engine) as connection:
            await connection.execute(sa.delete(schedule_sources).where(schedule_sources.c.process_id == process_id))
            await connection.execute(sa.delete(schedules).where(schedules.c.process_id == process_id))

    async def revisions(self) -> dict[str, int]:
        async with available(), reading(self._engine) as connection:
            found = await connection.execute(sa.select(schedule_sources.c.process_id, schedule_sources.c.revision))
            return {row.process_id: row.revision for row in found}

    async def due(self, limit: int) -> list[Planned]:
        statement = sa.select(schedules).where(schedules.c.fire_at <= database_now())
        async with available(), reading(self._engine) as connection:
            found = await connection.execute(statement.order_by(schedules.c.fire_at).limit(limit))
            return [_planned(row) for row in found]

    async def next_fire_seconds(self) -> float | None:
        statement = sa.select(
            database_now().label("now"), sa.func.min(schedules.c.fire_at, type_=schedules.c.fire_at.type)
        )
        async with available(), reading(self._engine) as connection:
            row = (await connection.execute(statement.select_from(schedules))).one()
            return None if row[1] is None else float((row[1] - row[0]).total_seconds())

    async def fire(self, prepared: Mapping[str, RunOrder | Refusal]) -> Fired:
        begun: list[RunOrder] = []
        told: list[TickView] = []
        announced: list[Entry] = []
        async with available(), writing(self._engine) as connection:
            mine = one_of(connection, schedules.c.schedule_id, list(prepared))
            due = schedules.c.fire_at <= database_now()
            for one in await _locked(connection, mine & due, skip=True):
                answer = prepared[one.schedule_id]
                views = await self._act(connection, one, answer, await _clock(connection))
                told += views
                announced += [_announcement(one, view) for view in views if view.outcome == "missed"]
                if isinstance(answer, RunOrder) and any(view.run_id for view in views):
                    begun.append(answer)
            await outbox_rows.insert(connection, outbox, announced)
        if begun or announced:
            self._store.beginnings.begun(begun)
        return Fired(told)

    async def _act(
        self, connection: AsyncConnection, one: Planned, answer: RunOrder | Refusal, now: datetime
    ) -> list[TickView]:
        """Record every due tick once, begin the run of the one that starts one, note the next."""
        found, after = due_ticks(one, now, still_running=await _is_open(connection, one.last_run_id))
        told = []
        for tick in found:
            run_id = None
            if tick.outcome == "started" and isinstance(answer, Refusal):
                tick = replace(tick, outcome="refused", reason=answer.reason, message=answer.message)
            elif tick.outcome == "started" and isinstance(answer, RunOrder):
                run_id = answer.run_id
            view = _view(one, tick, run_id, now)
            if not await _record(connection, view):
                continue
            if run_id is not None and isinstance(answer, RunOrder):
                await self._store.beginnings.begin_within(connection, answer, decisions.begin, now)
                after = replace(after, last_run_id=run_id)
            after = replace(after, last_outcome=tick.outcome)
            told.append(view)
        await _store(connection, after)
        return told

    async def pause(self, schedule_id: str, by: str) -> Planned | None:
        def paused(one: Planned, now: datetime) -> Planned:
            return replace(one, paused_at=one.paused_at or now, paused_by=one.paused_by or by).due_after(now)

        return await self._change(schedule_id, paused)

    async def resume(self, schedule_id: str) -> Planned | None:
        def resumed(one: Planned, now: datetime) -> Planned:
            return one if one.paused_at is None else replace(one, paused_at=None, paused_by=None).due_after(now)

        return await self._change(schedule_id, resumed)

    async def _change(self, schedule_id: str, change: Callable[[Planned, datetime], Planned]) -> Planned | None:
        async with available(), writing(self._engine) as connection:
            found = await _locked(connection, schedules.c.schedule_id == schedule_id)
            if not found:
                return None
            now = await _clock(connection)
            changed = change(found[0], now)
            gap = pause_gap(found[0], now) if changed.paused_at is None else None
            if gap is not None:
                await _record(connection, _view(found[0], gap, None, now))
            await _store(connection, changed)
            return changed

    async def page(self, process_id: str | None, *, after: tuple[str, int] | None, limit: int) -> list[Planned]:
        statement = sa.select(schedules).order_by(schedules.c.process_id, schedules.c.number).limit(limit)
        if process_id is not None:
            statement = statement.where(schedules.c.process_id == process_id)
        if after is not None:
            place = sa.tuple_(schedules.c.process_id, schedules.c.number)
            statement = statement.where(place > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
        async with available(), reading(self._engine) as connection:
            return [_planned(row) for row in await connection.execute(statement)]

    async def get(self, schedule_id: str) -> Planned | None:
        async with available(), reading(self._engine) as connection:
            row = (
                await connection.execute(sa.select(schedules).where(schedules.c.schedule_id == schedule_id))
            ).one_or_none()
            return _planned(row) if row is not None else None

    async def ticks(self, schedule_id: str, *, before: datetime | None, limit: int) -> list[TickView]:
        statement = sa.select(schedule_ticks).where(schedule_ticks.c.schedule_id == schedule_id)
        if before is not None:
            statement = statement.where(schedule_ticks.c.tick_at < before)
        async with available(), reading(self._engine) as connection:
            found = await connection.execute(statement.order_by(schedule_ticks.c.tick_at.desc()).limit(limit))
            return [_tick_view(row) for row in found]

    async def missed_since(
        self, since: datetime | None, *, after: tuple[str, datetime] | None, limit: int
    ) -> list[ScheduleMissed]:
        tick = schedule_ticks.c
        place = sa.tuple_(tick.schedule_id, tick.tick_at)
        found = schedule_ticks.outerjoin(schedules, schedules.c.schedule_id == tick.schedule_id)
        statement = sa.select(schedule_ticks, schedules.c.process_name).select_from(found)
        statement = statement.where(tick.outcome == "missed").order_by(tick.schedule_id, tick.tick_at).limit(limit)
        if since is not None:
            statement = statement.where(tick.decided_at >= since)
        if after is not None:
            statement = statement.where(
                place > sa.tuple_(sa.literal(after[0]), sa.literal(after[1], tick.tick_at.type))
            )
        async with available(), reading(self._engine) as connection:
            # The schedule may be gone, and its process's name with it.
            return [
                _missed(_tick_view(row), row.process_name or row.process_id)
                for row in await connection.execute(statement)
            ]

    async def next_runs(self, process_ids: Sequence[str]) -> list[NextRun]:
        earliest = sa.func.min(schedules.c.fire_at, type_=schedules.c.fire_at.type)
        async with available(), reading(self._engine) as connection:
            statement = (
                sa.select(schedules.c.process_id, earliest.label("next_run_at"))
                .where(one_of(connection, schedules.c.process_id, process_ids), schedules.c.fire_at.is_not(None))
                .group_by(schedules.c.process_id)
            )
            return [
                NextRun(process_id=row.process_id, next_run_at=row.next_run_at)
                for row in await connection.execute(statement)
            ]


async def _newer(connection: AsyncConnection, process_id: str, revision: int) -> bool:
    """Whether the revision is at least the stored one, which it then is. Whoever comes second waits for the first."""
    await connection.execute(insert_new(connection, schedule_sources), {"process_id": process_id, "revision": 0})
    noted = await connection.execute(
        sa.update(schedule_sources)
        .where(schedule_sources.c.process_id == process_id, schedule_sources.c.revision <= revision)
        .values(revision=revision)
    )
    return noted.rowcount == 1


async def _locked(connection: AsyncConnection, where: sa.ColumnElement[bool], *, skip: bool = False) -> list[Planned]:
    statement = sa.select(schedules).where(where).order_by(schedules.c.schedule_id).with_for_update(skip_locked=skip)
    return [_planned(row) for row in await connection.execute(statement)]


async def _record(connection: AsyncConnection, view: TickView) -> bool:
    """Whether the tick was new: the key lets it be acted upon once, whatever else fails."""
    values: Any = {column.name: getattr(view, column.name) for column in schedule_ticks.columns}
    made = await connection.execute(
        insert_new(connection, schedule_ticks).returning(schedule_ticks.c.schedule_id), values
    )
    return made.one_or_none() is not None


async def _store(connection: AsyncConnection, one: Planned) -> None:
    values = _values(one)
    await connection.execute(sa.update(schedules).where(schedules.c.schedule_id == one.schedule_id).values(values))


async def _is_open(connection: AsyncConnection, run_id: str | None) -> bool:
    if run_id is None:
        return False
    statement = sa.select(sa.exists().where(runs.c.run_id == run_id, runs.c.ended_at.is_(None)))
    return bool((await connection.execute(statement)).scalar_one())


async def _clock(connection: AsyncConnection) -> datetime:
    return (await connection.execute(sa.select(database_now()))).scalar_one()


def _tick_view(row: Any) -> TickView:
    return TickView.model_validate({column.name: getattr(row, column.name) for column in schedule_ticks.columns})


def _view(one: Planned, tick: Tick, run_id: str | None, now: datetime) -> TickView:
    return TickView(
        schedule_id=one.schedule_id,
        process_id=one.process_id,
        tick_at=tick.tick_at,
        until_at=tick.until_at,
        count=tick.count,
        outcome=tick.outcome,
        reason=tick.reason,
        message=rows.clean(tick.message),
        run_id=run_id,
        decided_at=now,
    )


def _announcement(one: Planned, view: TickView) -> Entry:
    """The event of missed ticks; it leaves if and only if they are recorded."""
    event = _missed(view, one.process_name)
    told = missed_envelope(event)
    body = told.model_dump_json(exclude_none=True).encode()
    return Destination(topic=routing_key(MISSED, event.process_id)), Message(body, told.id, CONTENT_TYPE)


def _missed(view: TickView, process_name: str) -> ScheduleMissed:
    return ScheduleMissed(
        process_id=view.process_id,
        process_name=process_name,
        schedule_id=view.schedule_id,
        tick_at=view.tick_at,
        until_at=view.until_at,
        count=view.count,
        reason=view.reason,
        message=view.message,
        at=view.decided_at,
    )


def _planned(row: Any) -> Planned:
    return Planned(
        schedule_id=row.schedule_id,
        process_id=row.process_id,
        process_name=row.process_name,
        number=row.number,
        schedule=Schedule.model_validate_json(row.schedule),
        windows=_WINDOWS.validate_json(row.windows),
        active=row.active,
        tick_at=row.tick_at,
        fire_at=row.fire_at,
        paused_at=row.paused_at,
        paused_by=row.paused_by,
        last_tick_at=row.last_tick_at,
        last_outcome=row.last_outcome,
        last_run_id=row.last_run_id,
    )


def _values(one: Planned) -> dict[str, Any]:
    return {
        "schedule_id": one.schedule_id,
        "process_id": one.process_id,
        "process_name": rows.clean(one.process_name),
        "number": one.number,
        "schedule": one.schedule.model_dump_json(),
        "windows": _WINDOWS.dump_json(list(one.windows), by_alias=True).decode(),
        "active": one.active,
        "tick_at": one.tick_at,
        "fire_at": one.fire_at,
        "paused_at": one.paused_at,
        "paused_by": rows.clean(one.paused_by),
        "last_tick_at": one.last_tick_at,
        "last_outcome": one.last_outcome,
        "last_run_id": one.last_run_id,
    }
