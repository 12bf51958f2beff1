"""Queries on runs, without locks."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.model import RunStatus
from steptrail_common.contracts.orchestrator import LoggedEvent, RunEvent
from steptrail_common.contracts.workers import Evidence, StepResult
from steptrail_common.database import reading, writing
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import attempts, events, evidence, run_steps, runs, workers
from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.chains import Chains
from steptrail_orchestrator.adapters.sql.dialect import available, one_of
from steptrail_orchestrator.domain.picture import Tried
from steptrail_orchestrator.domain.prediction import Sample
from steptrail_orchestrator.domain.run import AttemptEnd, RunState
from steptrail_orchestrator.ports import Place, RunFilter, StoredRun, StoredWorker

_RECENT_RUNS = 1000
"""How many of the newest runs are looked through for the last result of a check type."""


class SqlRunReader:
    """`RunReader` on an engine of `steptrail_common.database`."""

    def __init__(self, engine: AsyncEngine, chains: Chains) -> None:
        self._engine = engine
        self._chains = chains

    async def now(self) -> datetime:
        async with available(), reading(self._engine) as connection:
            return (await connection.execute(sa.select(database_now()))).scalar_one()

    async def run(self, run_id: str) -> StoredRun | None:
        async with available(), reading(self._engine) as connection:
            row = (await connection.execute(sa.select(runs).where(runs.c.run_id == run_id))).one_or_none()
            if row is None:
                return None
            state = rows.run_state(row)
            steps = await connection.execute(sa.select(run_steps).where(run_steps.c.run_id == run_id))
            tried = await connection.execute(
                sa.select(attempts)
                .where(attempts.c.run_id == run_id)
                .order_by(attempts.c.dispatched_at, attempts.c.attempt)
            )
            chains = await self._chains.load(connection, {state.definition_id})
            return StoredRun(
                run=state,
                chain=chains[state.definition_id],
                steps={step.step_id: rows.step_state(step) for step in steps},
                tried=[_stored_attempt(attempt) for attempt in tried],
            )

    async def runs(
        self, wanted: RunFilter, *, before: Place | None, limit: int
    ) -> list[tuple[RunState, StoredRun | None]]:
        statement = (
            sa.select(runs)
            .where(*_conditions(wanted, before))
            .order_by(runs.c.queued_at.desc(), runs.c.run_id.desc())
            .limit(limit)
        )
        async with available(), reading(self._engine) as connection:
            states = [rows.run_state(row) for row in await connection.execute(statement)]
            under_way = {state.run_id: state for state in states if not state.status.final}
            details = await self._under_way(connection, under_way) if under_way else {}
            return [(state, details.get(state.run_id)) for state in states]

    async def _under_way(self, connection: AsyncConnection, states: dict[str, RunState]) -> dict[str, StoredRun]:
        chains = await self._chains.load(connection, {state.definition_id for state in states.values()})
        steps: dict[str, dict[str, Any]] = {run_id: {} for run_id in states}
        for row in await connection.execute(sa.select(run_steps).where(one_of(connection, run_steps.c.run_id, states))):
            steps[row.run_id][row.step_id] = rows.step_state(row)
        return {
            run_id: StoredRun(state, chains[state.definition_id], steps[run_id], ()) for run_id, state in states.items()
        }

    async def rechecks_of(self, run_id: str) -> list[str]:
        statement = sa.select(runs.c.run_id).where(runs.c.from_run == run_id).order_by(runs.c.queued_at).limit(200)
        async with available(), reading(self._engine) as connection:
            return list(await connection.scalars(statement))

    async def last_good(self, process_id: str, before: datetime, *, key: str | None = None) -> str | None:
        statement = (
            sa.select(runs.c.run_id)
            .where(runs.c.process_id == process_id, runs.c.status == RunStatus.SUCCESS.value, runs.c.queued_at < before)
            .order_by(runs.c.queued_at.desc(), runs.c.run_id.desc())
            .limit(1)
        )
        if key is not None:
            statement = statement.where(runs.c.key == key)
        async with available(), reading(self._engine) as connection:
            return await connection.scalar(statement)

    async def started(self, process_ids: Sequence[str]) -> list[tuple[str, datetime]]:
        async with available(), reading(self._engine) as connection:
            statement = sa.select(runs.c.process_id, runs.c.started_at).where(
                runs.c.status == RunStatus.RUNNING.value,
                runs.c.started_at.is_not(None),
                one_of(connection, runs.c.process_id, process_ids),
            )
            return [(row.process_id, row.started_at) for row in await connection.execute(statement)]

    async def run_durations(self, process_id: str, count: int) -> list[Sample]:
        async with available(), reading(self._engine) as connection:
            return _whole(await connection.execute(_good_runs(process_id, count)))

    async def durations(self, process_id: str, count: int) -> tuple[dict[str, list[Sample]], list[Sample]]:
        async with available(), reading(self._engine) as connection:
            found = [row for row in await connection.execute(_good_runs(process_id, count)) if row.started_at]
            whole = _whole(found)
            of_these = one_of(connection, run_steps.c.run_id, [row.run_id for row in found])
            taken: dict[str, dict[str, float]] = {}
            for row in await connection.execute(
                sa.select(run_steps.c.run_id, run_steps.c.step_id, run_steps.c.duration_seconds).where(
                    of_these, run_steps.c.status == "success", run_steps.c.duration_seconds.is_not(None)
                )
            ):
                taken.setdefault(row.step_id, {})[row.run_id] = row.duration_seconds
            per_step = {
                step_id: [(run.started_at, seconds[run.run_id]) for run in found if run.run_id in seconds]
                for step_id, seconds in taken.items()
            }
            return per_step, whole

    async def events(self, run_id: str, *, after: int, limit: int) -> list[RunEvent]:
        statement = (
            sa.select(events.c.document)
            .where(events.c.run_id == run_id, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        async with available(), reading(self._engine) as connection:
            return [RunEvent.model_validate_json(text) for text in await connection.scalars(statement)]

    async def log(
        self, *, after: int, run_ids: Sequence[str], process_ids: Sequence[str], limit: int
    ) -> list[LoggedEvent]:
        async with available(), reading(self._engine) as connection:
            statement = (
                sa.select(events.c.position, events.c.document)
                .where(events.c.position > after)
                .order_by(events.c.position)
                .limit(limit)
            )
            asked = []
            if run_ids:
                asked.append(one_of(connection, events.c.run_id, run_ids))
            if process_ids:
                asked.append(one_of(connection, events.c.process_id, process_ids))
            if asked:
                statement = statement.where(sa.or_(*asked))
            return [
                LoggedEvent(cursor=str(row.position), event=RunEvent.model_validate_json(row.document))
                for row in await connection.execute(statement)
            ]

    async def events_since(self, since: datetime | None, *, after: int, limit: int) -> list[tuple[int, RunEvent]]:
        statement = (
            sa.select(events.c.position, events.c.document)
            .where(events.c.position > after)
            .order_by(events.c.position)
            .limit(limit)
        )
        if since is not None:
            statement = statement.join(runs, runs.c.run_id == events.c.run_id).where(
                sa.or_(runs.c.ended_at.is_(None), runs.c.ended_at >= since)
            )
        async with available(), reading(self._engine) as connection:
            return [
                (row.position, RunEvent.model_validate_json(row.document))
                for row in await connection.execute(statement)
            ]

    async def evidence(self, run_id: str, evidence_id: str) -> Evidence | None:
        statement = sa.select(evidence.c.document).where(
            evidence.c.run_id == run_id, evidence.c.evidence_id == evidence_id
        )
        async with available(), reading(self._engine) as connection:
            text = await connection.scalar(statement)
            return Evidence.model_validate_json(text) if text else None

    async def workers(self) -> list[StoredWorker]:
        statement = sa.select(workers, database_now().label("now")).order_by(workers.c.worker_id)
        async with available(), reading(self._engine) as connection:
            return [
                StoredWorker(
                    worker_id=row.worker_id,
                    version=row.version,
                    check_types=tuple(from_json(row.check_types)),
                    load=row.load,
                    capacity=row.capacity,
                    seen_at=row.seen_at,
                    silent_seconds=(row.now - row.seen_at).total_seconds(),
                )
                for row in await connection.execute(statement)
            ]

    async def last_results(self) -> dict[str, datetime]:
        newest = sa.select(runs.c.run_id).order_by(runs.c.queued_at.desc(), runs.c.run_id.desc()).limit(_RECENT_RUNS)
        last = sa.func.max(attempts.c.ended_at, type_=attempts.c.ended_at.type).label("at")
        statement = (
            sa.select(attempts.c.check_type, last)
            .where(attempts.c.run_id.in_(newest), attempts.c.duration_seconds.is_not(None))
            .group_by(attempts.c.check_type)
        )
        async with available(), reading(self._engine) as connection:
            return {row.check_type: row.at for row in await connection.execute(statement) if row.at is not None}

    async def check(self) -> None:
        async with available(), writing(self._engine) as connection:
            await connection.execute(sa.delete(workers).where(sa.false()))


def _good_runs(process_id: str, count: int) -> sa.Select[Any]:
    """The last runs that walked the whole chain and succeeded."""
    return (
        sa.select(runs.c.run_id, runs.c.started_at, runs.c.ended_at)
        .where(runs.c.process_id == process_id, runs.c.status == RunStatus.SUCCESS.value, runs.c.from_run.is_(None))
        .order_by(runs.c.queued_at.desc(), runs.c.run_id.desc())
        .limit(count)
    )


def _whole(found: Iterable[Any]) -> list[Sample]:
    return [(row.started_at, (row.ended_at - row.started_at).total_seconds()) for row in found if row.started_at]


def _conditions(wanted: RunFilter, before: Place | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for column, value in (
        (runs.c.process_id, wanted.process_id),
        (runs.c.key, wanted.key),
        (runs.c.initiated_by, wanted.initiated_by),
        (runs.c.trigger, wanted.trigger),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.statuses:
        conditions.append(runs.c.status.in_(wanted.statuses))
    if wanted.since is not None:
        conditions.append(runs.c.queued_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(runs.c.queued_at < wanted.until)
    if before is not None:
        at = sa.literal(before.queued_at, runs.c.queued_at.type)
        conditions.append(sa.tuple_(runs.c.queued_at, runs.c.run_id) < sa.tuple_(at, sa.literal(before.run_id)))
    return conditions


def _stored_attempt(row: Any) -> Tried:
    state = rows.attempt_state(row)
    end = None
    if row.ended_at is not None:
        result = StepResult.model_validate({"token": "", **from_json(row.result)}) if row.result else None
        end = AttemptEnd(
            state, row.status, row.ended_at, rows.failure(row.failure_class), row.reason, row.message, result
        )
    return Tried(state, row.status, end, row.duration_seconds, row.late)
