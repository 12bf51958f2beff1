"""The effects of a decision as rows, written inside the caller's transaction."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common import outbox as outbox_rows
from steptrail_common.outbox import Entry, database_now

from steptrail_orchestrator.adapters.schema import attempts, events, evidence, late_results, outbox, run_steps, runs
from steptrail_orchestrator.adapters.sql import postgresql, rows
from steptrail_orchestrator.adapters.sql.changes import Changes, Rows, changes_of
from steptrail_orchestrator.adapters.sql.dialect import insert_new, upsert
from steptrail_orchestrator.adapters.sql.messages import EventRow
from steptrail_orchestrator.domain.walk import LateResult, Walk

_ANSWERED = ("passed", "failed", "error")


class FenceBroken(Exception):
    """An attempt that this transaction locked was not open any more: nothing of it may be written."""


async def write(connection: AsyncConnection, walks: Sequence[Walk], *, new: bool = False) -> list[Entry]:
    """Write what the decision changed; returns the messages that may leave after the commit, which are in the outbox.

    `new`: the runs themselves too, with the steps they bring along. Raises `FenceBroken`; the caller rolls back.
    """
    changes = changes_of(walks, new=new)
    sent: list[Entry] = []
    if changes:
        sent = await _put(connection, changes)
    await _write_resent(connection, walks)
    for walk in walks:
        for late in walk.late:
            await _record_late(connection, late)
    return sent


async def _put(connection: AsyncConnection, changes: Changes) -> list[Entry]:
    if connection.dialect.name == "postgresql":
        accepted, positions = await postgresql.write(connection, changes)
    else:
        accepted, positions = await _put_one_by_one(connection, changes)
    if accepted != len(changes.ended):
        missing = len(changes.ended) - accepted
        raise FenceBroken(f"{missing} of {len(changes.ended)} attempts were not open any more")
    sent = changes.sent(positions)
    if connection.dialect.name != "postgresql":
        await outbox_rows.insert(connection, outbox, sent)
    return sent


async def _put_one_by_one(connection: AsyncConnection, changes: Changes) -> tuple[int, list[int]]:
    """How many of the ended attempts were open, and the positions of the events."""
    if changes.begun:
        await connection.execute(sa.insert(runs), changes.begun)
    accepted = await _end_attempts(connection, changes.ended)
    if changes.steps:
        changing = rows.columns(run_steps, "run_id", "step_id", "number", "reused_from")
        await connection.execute(upsert(connection, run_steps, changing), changes.steps)
    if changes.opened:
        await connection.execute(sa.insert(attempts), changes.opened)
    if changes.moved:
        await _update_runs(connection, changes.moved)
    if changes.evidence:
        await connection.execute(insert_new(connection, evidence), changes.evidence)
    return accepted, await _insert_events(connection, changes.told) if changes.told else []


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
