"""The effects of a decision as rows, written inside the caller's transaction."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common import outbox as outbox_rows
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import attempts, events, evidence, late_results, outbox, run_steps, runs
from steptrail_orchestrator.adapters.sql import postgresql, rows
from steptrail_orchestrator.adapters.sql.dialect import insert_new, upsert
from steptrail_orchestrator.adapters.sql.messages import Entry, EventRow, event_rows, request_entries
from steptrail_orchestrator.domain.walk import LateResult, Walk

Rows = Sequence[dict[str, Any]]
_ANSWERED = ("passed", "failed", "error")


class FenceBroken(Exception):
    """An attempt that this transaction locked was not open any more: nothing of it may be written."""


async def insert_run(connection: AsyncConnection, walk: Walk) -> None:
    """A new run and the steps it brings along; its other effects follow by `write`."""
    await connection.execute(sa.insert(runs), [rows.run_values(walk.run)])
    reused = [rows.step_values(walk.run.run_id, state) for state in walk.steps.values() if state.reused_from]
    if reused:
        await connection.execute(sa.insert(run_steps), reused)


async def write(connection: AsyncConnection, walks: Sequence[Walk], *, new: bool = False) -> None:
    """Write what the decision changed. Raises `FenceBroken`; the caller rolls back."""
    moved = [walk for walk in walks if walk.events or walk.resent]
    ended = [rows.end_values(end) for walk in moved for end in walk.ended]
    steps = [rows.step_values(walk.run.run_id, state) for walk in moved for state in walk.changed.values()]
    opened = [rows.attempt_values(walk, attempt) for walk in moved for attempt in walk.opened]
    changed = [] if new else [rows.changing_run_values(walk.run) for walk in walks if walk.moved]
    told, requests = event_rows(moved), request_entries(moved)
    if ended or steps or opened or changed or told or requests:
        put = _put_at_once if connection.dialect.name == "postgresql" else _put_one_by_one
        accepted = await put(connection, ended, steps, opened, changed, told, requests)
        if accepted != len(ended):
            raise FenceBroken(f"{len(ended) - accepted} of {len(ended)} attempts were not open any more")
    await _write_evidence(connection, moved)
    await _write_resent(connection, moved)
    for walk in walks:
        for late in walk.late:
            await _record_late(connection, late)


async def _put_at_once(
    connection: AsyncConnection,
    ended: Rows,
    steps: Rows,
    opened: Rows,
    changed: Rows,
    told: Sequence[EventRow],
    requests: Sequence[Entry],
) -> int:
    return await postgresql.write(
        connection, ended=ended, steps=steps, opened=opened, moved=changed, told=told, requests=requests
    )


async def _put_one_by_one(
    connection: AsyncConnection,
    ended: Rows,
    steps: Rows,
    opened: Rows,
    changed: Rows,
    told: Sequence[EventRow],
    requests: Sequence[Entry],
) -> int:
    accepted = await _end_attempts(connection, ended)
    if steps:
        changing = rows.columns(run_steps, "run_id", "step_id", "number", "reused_from")
        await connection.execute(upsert(connection, run_steps, changing), steps)
    if opened:
        await connection.execute(sa.insert(attempts), opened)
    if changed:
        await _update_runs(connection, changed)
    entries = list(requests)
    if told:
        positions = await _insert_events(connection, told)
        entries += [row.entry(position) for row, position in zip(told, positions, strict=True)]
    await outbox_rows.insert(connection, outbox, entries)
    return accepted


async def _end_attempts(connection: AsyncConnection, values: Rows) -> int:
    """The conditional update that accepts: run, step, attempt, token, still open. Returns how many it found."""
    statement = (
        sa.update(attempts)
        .where(
            attempts.c.run_id == sa.bindparam("b_run_id"),
            attempts.c.step_id == sa.bindparam("b_step_id"),
            attempts.c.attempt == sa.bindparam("b_attempt"),
            attempts.c.token == sa.bindparam("b_token"),
            attempts.c.ended_at.is_(None),
        )
        .values({name: sa.bindparam(name) for name in (values[0] if values else {}) if not name.startswith("b_")})
    )
    return sum([(await connection.execute(statement, value)).rowcount for value in values])


async def _write_resent(connection: AsyncConnection, walks: Sequence[Walk]) -> None:
    resent = [
        {"b_run_id": a.run_id, "b_step_id": a.step_id, "b_attempt": a.attempt, "p": a.published_at, "n": a.publications}
        for walk in walks
        for a in walk.resent
    ]
    if resent:
        await connection.execute(
            sa.update(attempts)
            .where(
                attempts.c.run_id == sa.bindparam("b_run_id"),
                attempts.c.step_id == sa.bindparam("b_step_id"),
                attempts.c.attempt == sa.bindparam("b_attempt"),
            )
            .values(published_at=sa.bindparam("p"), publications=sa.bindparam("n")),
            resent,
        )


async def _write_evidence(connection: AsyncConnection, walks: Sequence[Walk]) -> None:
    values = [
        {
            "run_id": end.attempt.run_id,
            "evidence_id": piece.evidence_id,
            "step_id": end.attempt.step_id,
            "attempt": end.attempt.attempt,
            "document": piece.model_dump_json(),
        }
        for walk in walks
        for end in walk.ended
        if end.result is not None
        for piece in end.result.evidence
    ]
    if values:
        await connection.execute(insert_new(connection, evidence), values)


async def _update_runs(connection: AsyncConnection, values: Rows) -> None:
    changing = [name for name in values[0] if name != "run_id"]
    await connection.execute(
        sa.update(runs)
        .where(runs.c.run_id == sa.bindparam("b_run_id"))
        .values({name: sa.bindparam(name) for name in changing}),
        [{"b_run_id": value["run_id"], **{name: value[name] for name in changing}} for value in values],
    )


async def _insert_events(connection: AsyncConnection, stored: Sequence[EventRow]) -> list[int]:
    """Number the events globally, then insert them; returns their positions in order. SQLite has one writer."""
    highest = await connection.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.position), 0)))
    last = highest.scalar_one()
    positions = list(range(last + 1, last + 1 + len(stored)))
    values = [
        {
            "position": position,
            "run_id": row.event.run_id,
            "seq": row.event.seq,
            "process_id": row.event.process_id,
            "document": row.document,
        }
        for row, position in zip(stored, positions, strict=True)
    ]
    await connection.execute(sa.insert(events), values)
    return positions


async def _record_late(connection: AsyncConnection, late: LateResult) -> None:
    """Keep an answer that changed nothing, once; a mere repeat of the accepted one is only counted."""
    result = late.result
    mine = (
        attempts.c.run_id == result.run_id,
        attempts.c.step_id == result.step_id,
        attempts.c.attempt == result.attempt,
    )
    found: Any = (await connection.execute(sa.select(attempts).where(*mine))).one_or_none()
    if found is None:
        why = "no such attempt"
    elif found.token != result.token:
        why = "wrong token"
    elif found.late or found.status in _ANSWERED:
        return
    else:
        why = f"the attempt was given up ({found.status})"
        await connection.execute(sa.update(attempts).where(*mine).values(late=True))
    await connection.execute(
        sa.insert(late_results).values(
            received_at=database_now(),
            run_id=result.run_id,
            step_id=rows.clean(result.step_id),
            attempt=result.attempt,
            worker_id=rows.clean(result.worker_id),
            why=why,
            result=result.model_dump_json(exclude={"token"}, exclude_none=True),
        )
    )
