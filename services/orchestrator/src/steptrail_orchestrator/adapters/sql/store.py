"""Transactions on runs."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common import inbox as inbox_rows
from steptrail_common.contracts.events import new_token
from steptrail_common.contracts.orchestrator import RunAccepted
from steptrail_common.contracts.workers import Heartbeat, Lease
from steptrail_common.database import reading, writing
from steptrail_common.outbox import Entry, database_now

from steptrail_orchestrator.adapters.schema import (
    attempts,
    idempotency,
    inbox,
    run_steps,
    runs,
    workers,
)
from steptrail_orchestrator.adapters.sql import postgresql, rows, turns
from steptrail_orchestrator.adapters.sql.beginning import Begin, Beginnings, Begun, seconds_to_wake
from steptrail_orchestrator.adapters.sql.chains import Chains
from steptrail_orchestrator.adapters.sql.clock import DatabaseClock
from steptrail_orchestrator.adapters.sql.dialect import (
    after_now,
    available,
    earlier,
    one_of,
    plus,
    upsert,
)
from steptrail_orchestrator.adapters.sql.foresight import Foresight
from steptrail_orchestrator.adapters.sql.listeners import Listeners
from steptrail_orchestrator.adapters.sql.replica import Replica
from steptrail_orchestrator.adapters.sql.standing import Standing
from steptrail_orchestrator.adapters.sql.writing import write
from steptrail_orchestrator.domain.run import Limits, World, later
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.ports import Decided, Decision, IdempotencyKey, RunOrder, Scene

_IDEMPOTENCY_SECONDS = 86400.0
_TURNS_TO_LEAVE = 4
"""Turns of the event loop from a commit until its first message is on the wire: those of the relay, of the message and
of the connection's writer. Counting and acknowledging can wait, the worker cannot."""


class SqlRunStore:
    """`RunStore` on an engine of `steptrail_common.database`.

    `committed` is called after each commit that sends, with the messages, which are in the outbox; with None when only
    the outbox knows them.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        limits: Limits,
        worker_live_seconds: float,
        committed: Callable[[Sequence[Entry] | None], None],
        chains: Chains,
        new_token: Callable[[], str] = new_token,
    ) -> None:
        self._engine = engine
        self._committed = committed
        self._replica = replica = Replica(
            limits, chains, Standing(), DatabaseClock(), Listeners(engine, live_seconds=worker_live_seconds), new_token
        )
        self.beginnings = Beginnings(engine, replica, committed=committed)
        self._foresight = Foresight(engine, replica)

    async def begin(self, order: RunOrder, decision: Begin, key: IdempotencyKey | None) -> Begun:
        return await self.beginnings.begin(order, decision, key)

    async def repeated(self, key: IdempotencyKey) -> RunAccepted | None:
        return await self.beginnings.repeated(key)

    async def decide(self, run_ids: Collection[str], decision: Decision, *, dedup_ids: Sequence[str] = ()) -> Decided:
        if dedup_ids and self._engine.dialect.name == "postgresql":
            done = await self._foresight.decide(run_ids, decision, dedup_ids)
            if done is not None:
                self._decided(*done)
                for _ in range(_TURNS_TO_LEAVE):
                    await asyncio.sleep(0)
                return done[0]
        async with available(), writing(self._engine) as connection:
            found, fresh, opened = await _take(connection, run_ids, dedup_ids)
            walks, now = await self._walks(connection, found, opened)
            decided, sent = await self._apply(connection, walks, World(now), decision, fresh)
        self._decided(decided, sent)
        return decided

    async def decide_due(self, decision: Decision, *, empty_queues: Mapping[str, float], limit: int) -> Decided:
        due = runs.c.wake_at <= database_now()
        return await self._decide_where(due, decision, empty_queues, limit)

    async def decide_orphans(self, decision: Decision, *, limit: int) -> Decided:
        open_attempt = sa.exists().where(attempts.c.run_id == runs.c.run_id, attempts.c.ended_at.is_(None))
        due_step = sa.exists().where(run_steps.c.run_id == runs.c.run_id, run_steps.c.next_attempt_at.is_not(None))
        return await self._decide_where(~open_attempt & ~due_step, decision, {}, limit)

    async def next_wake_seconds(self) -> float | None:
        async with available(), reading(self._engine) as connection:
            row = (
                await connection.execute(
                    sa.select(database_now().label("now"), sa.func.min(runs.c.wake_at, type_=runs.c.wake_at.type))
                    .select_from(runs)
                    .where(runs.c.ended_at.is_(None))
                )
            ).one()
            return None if row[1] is None else float((row[1] - row[0]).total_seconds())

    async def look_for_listeners(self) -> None:
        await self._replica.listeners.look()

    async def beat(self, heartbeats: Sequence[Heartbeat], *, lease_seconds: float, grace_seconds: float) -> None:
        newest = {beat.worker_id: beat for beat in heartbeats}
        leases = {lease.token: (lease, beat.worker_id) for beat in heartbeats for lease in beat.leases}
        async with available(), writing(self._engine) as connection:
            now = await _clock(connection)
            changing = rows.columns(workers, "worker_id")
            if values := [_worker_values(newest[name], now) for name in sorted(newest) if not newest[name].leaving]:
                await connection.execute(upsert(connection, workers, changing), values)
            if left := [rows.clean(name) or "" for name in newest if newest[name].leaving]:
                await connection.execute(sa.delete(workers).where(one_of(connection, workers.c.worker_id, left)))
            if leases:
                await _renew(connection, leases, lease_seconds, grace_seconds)

    async def prune(self, *, older_than_seconds: float) -> None:
        async with available(), writing(self._engine) as connection:
            now = await _clock(connection)
            await inbox_rows.prune(connection, inbox, timedelta(seconds=older_than_seconds))
            await connection.execute(sa.delete(workers).where(workers.c.seen_at < later(now, -older_than_seconds)))
            old = idempotency.c.created_at < later(now, -_IDEMPOTENCY_SECONDS)
            await connection.execute(sa.delete(idempotency).where(old))

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _decide_where(
        self, condition: sa.ColumnElement[bool], decision: Decision, empty_queues: Mapping[str, float], limit: int
    ) -> Decided:
        async with available(), writing(self._engine) as connection:
            locked = await connection.execute(
                sa.select(runs)
                .where(runs.c.ended_at.is_(None), condition)
                .order_by(runs.c.wake_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            found = locked.all()
            if not found:
                return Decided(())
            walks, now = await self._walks(connection, found)
            world = World(now, await self._replica.listeners.live(connection), empty_queues)
            decided, sent = await self._apply(connection, walks, world, decision, frozenset())
        self._decided(decided, sent)
        return decided

    async def _walks(
        self, connection: AsyncConnection, found: Sequence[Any], opened: postgresql.Opened | None = None
    ) -> tuple[dict[str, Walk], datetime]:
        """The locked runs with steps and open attempt, and the clock after the locks were granted."""
        states = [rows.run_state(row) for row in found]
        ids = [state.run_id for state in states]
        chains = await self._replica.chains.load(connection, {state.definition_id for state in states})
        known = {state.run_id: self._replica.standing.take(state.run_id) for state in states}
        seqs = {state.run_id: state.seq for state in states}
        steps = {run_id: it.steps for run_id, it in known.items() if it is not None and it.run.seq == seqs[run_id]}
        in_postgresql = connection.dialect.name == "postgresql"
        if unknown := known.keys() - steps.keys():
            for row in await (postgresql.load_steps if in_postgresql else _load_steps)(connection, unknown):
                steps.setdefault(row.run_id, {})[row.step_id] = rows.step_state(row)
        if opened is None:
            opened = await (postgresql.load_open if in_postgresql else _load_open)(connection, ids)
        attempted, now = opened
        self._replica.clock.heard(now)
        open_attempts = {attempt.run_id: attempt for attempt in attempted}
        walks = {
            state.run_id: self._replica.walk(
                chains[state.definition_id], state, steps.get(state.run_id, {}), open_attempts.get(state.run_id)
            )
            for state in states
        }
        return walks, now

    async def _apply(
        self,
        connection: AsyncConnection,
        walks: dict[str, Walk],
        world: World,
        decision: Decision,
        fresh: frozenset[str],
    ) -> tuple[Decided, list[Entry]]:
        moved = list(walks.values())
        await turns.lock(connection, moved)
        decision(Scene(world, walks, fresh))
        sent = await write(connection, moved)
        woken = await turns.write(connection, moved)
        return Decided(moved, 0.0 if woken else seconds_to_wake(moved, world.now)), sent

    def _decided(self, decided: Decided, sent: Sequence[Entry]) -> None:
        """It is committed."""
        for walk in decided.walks:
            self._replica.standing.keep(walk)
        self._committed(sent)


async def _take(
    connection: AsyncConnection, run_ids: Collection[str], dedup_ids: Sequence[str]
) -> tuple[Sequence[Any], frozenset[str], postgresql.Opened | None]:
    """The rows of the runs, locked, which of the messages are not known yet, and open attempts if they are at hand."""
    if connection.dialect.name == "postgresql":
        return await postgresql.take(connection, run_ids, dedup_ids)
    fresh = await inbox_rows.fresh(connection, inbox, dedup_ids) if dedup_ids else set()
    mine = one_of(connection, runs.c.run_id, sorted(set(run_ids)))
    found = (await connection.execute(sa.select(runs).where(mine).order_by(runs.c.run_id))).all()
    return found, frozenset(fresh), None


async def _load_steps(connection: AsyncConnection, run_ids: Collection[str]) -> Sequence[Any]:
    of_these = one_of(connection, run_steps.c.run_id, run_ids)
    return (await connection.execute(sa.select(run_steps).where(of_these))).all()


async def _load_open(connection: AsyncConnection, run_ids: Collection[str]) -> postgresql.Opened:
    is_open = one_of(connection, attempts.c.run_id, run_ids) & attempts.c.ended_at.is_(None)
    opened = (await connection.execute(sa.select(attempts).where(is_open))).all()
    return [rows.attempt_state(row) for row in opened], await _clock(connection)


async def _clock(connection: AsyncConnection) -> datetime:
    return (await connection.execute(sa.select(database_now()))).scalar_one()


async def _renew(
    connection: AsyncConnection, leases: dict[str, tuple[Lease, str]], lease_seconds: float, grace_seconds: float
) -> None:
    """Renew what is open, never beyond timeout plus grace of what has begun. Rows a result has locked are left out."""
    found = await connection.execute(
        sa.select(attempts.c.run_id, attempts.c.step_id, attempts.c.attempt, attempts.c.token)
        .where(
            one_of(connection, attempts.c.run_id, {lease.run_id for lease, _ in leases.values()}),
            attempts.c.ended_at.is_(None),
        )
        .with_for_update(skip_locked=True)
    )
    held: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for row in found:
        if row.token not in leases:  # here and not there, where each row would be compared with thousands of tokens
            continue
        lease, worker_id = leases[row.token]
        key = {"b_run_id": row.run_id, "b_step_id": row.step_id, "b_attempt": row.attempt}
        held[lease.waiting].append({**key, "worker": rows.clean(worker_id)})
    renewed = after_now(connection, lease_seconds)
    started = sa.func.coalesce(attempts.c.started_at, database_now())
    hard = plus(connection, started, attempts.c.timeout_seconds + sa.literal(grace_seconds, sa.Double()))
    begun = {"status": "running", "started_at": started, "lease_until": earlier(connection, renewed, hard)}
    for values, changes in ((held[False], begun), (held[True], {"lease_until": renewed})):
        if values:
            statement = sa.update(attempts).where(
                attempts.c.run_id == sa.bindparam("b_run_id"),
                attempts.c.step_id == sa.bindparam("b_step_id"),
                attempts.c.attempt == sa.bindparam("b_attempt"),
            )
            await connection.execute(statement.values(worker_id=sa.bindparam("worker"), **changes), values)


def _worker_values(beat: Heartbeat, now: datetime) -> dict[str, Any]:
    return {
        "worker_id": rows.clean(beat.worker_id),
        "version": rows.clean(beat.version),
        "check_types": rows.json_text(beat.check_types),
        "load": beat.load,
        "capacity": beat.capacity,
        "seen_at": now,
    }
