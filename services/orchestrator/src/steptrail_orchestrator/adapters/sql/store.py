"""Transactions on runs."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common import inbox as inbox_rows
from steptrail_common.contracts.events import new_token
from steptrail_common.contracts.model import RunStatus
from steptrail_common.contracts.orchestrator import RunAccepted
from steptrail_common.contracts.workers import Heartbeat, Lease
from steptrail_common.database import reading, writing
from steptrail_common.errors import InvalidInput
from steptrail_common.outbox import database_now

from steptrail_orchestrator.adapters.schema import (
    attempts,
    definitions,
    events,
    evidence,
    idempotency,
    inbox,
    late_results,
    run_steps,
    runs,
    workers,
)
from steptrail_orchestrator.adapters.sql import postgresql, rows, turns
from steptrail_orchestrator.adapters.sql.chains import Chains
from steptrail_orchestrator.adapters.sql.dialect import (
    after_now,
    available,
    earlier,
    insert_new,
    one_of,
    plus,
    upsert,
)
from steptrail_orchestrator.adapters.sql.writing import insert_run, write
from steptrail_orchestrator.domain.run import Chain, Limits, RunState, World, later
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.ports import Decided, Decision, IdempotencyKey, RunOrder, Scene

_IDEMPOTENCY_SECONDS = 86400.0


class SqlRunStore:
    """`RunStore` on an engine of `steptrail_common.database`. `committed` is called after each commit that sends."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        limits: Limits,
        worker_live_seconds: float,
        committed: Callable[[], None],
        chains: Chains,
        new_token: Callable[[], str] = new_token,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._worker_live_seconds = worker_live_seconds
        self._committed = committed
        self._chains = chains
        self._stored: set[str] = set()
        self._new_token = new_token

    async def begin(
        self, order: RunOrder, decision: Callable[[Walk, datetime], None], key: IdempotencyKey | None
    ) -> tuple[RunAccepted, float | None]:
        async with available(), writing(self._engine) as connection:
            now = await _clock(connection)
            if key is not None and not await self._claim(connection, key, order.run_id, now):
                return await _made_before(connection, key), None
            walk = await self.begin_within(connection, order, decision, now)
        self.begun([order])
        return _accepted(walk.run), _seconds_to_wake([walk], now)

    async def begin_within(
        self, connection: AsyncConnection, order: RunOrder, decision: Callable[[Walk, datetime], None], now: datetime
    ) -> Walk:
        """`begin` inside the transaction of somebody else, who tells `begun` after its commit."""
        walk = self._new_walk(order, now)
        await turns.lock(connection, [walk])
        decision(walk, now)
        if order.chain.definition_id not in self._stored:
            await _store_definition(connection, order.chain, now)
        await insert_run(connection, walk)
        await write(connection, [walk], new=True)
        await turns.write(connection, [walk])
        return walk

    def begun(self, orders: Iterable[RunOrder]) -> None:
        """The runs are committed: their definitions are stored, their messages can leave."""
        for order in orders:
            self._stored.add(order.chain.definition_id)
            self._chains.keep(order.chain)
        self._committed()

    async def repeated(self, key: IdempotencyKey) -> RunAccepted | None:
        async with available(), reading(self._engine) as connection:
            known = await connection.scalar(
                sa.select(idempotency.c.run_id).where(idempotency.c.actor == key.actor, idempotency.c.key == key.key)
            )
            return await _made_before(connection, key) if known else None

    async def decide(self, run_ids: Collection[str], decision: Decision, *, dedup_ids: Sequence[str] = ()) -> Decided:
        async with available(), writing(self._engine) as connection:
            fresh = await inbox_rows.fresh(connection, inbox, dedup_ids) if dedup_ids else set()
            locked = await connection.execute(
                sa.select(runs)
                .where(one_of(connection, runs.c.run_id, sorted(set(run_ids))))
                .order_by(runs.c.run_id)
                .with_for_update()
            )
            walks, now = await self._walks(connection, locked.all())
            decided = await self._apply(connection, walks, World(now), decision, frozenset(fresh))
        self._committed()
        return decided

    async def decide_due(self, decision: Decision, *, empty_queues: frozenset[str], limit: int) -> Decided:
        due = runs.c.wake_at <= database_now()
        return await self._decide_where(due, decision, empty_queues, limit)

    async def decide_orphans(self, decision: Decision, *, limit: int) -> Decided:
        open_attempt = sa.exists().where(attempts.c.run_id == runs.c.run_id, attempts.c.ended_at.is_(None))
        due_step = sa.exists().where(run_steps.c.run_id == runs.c.run_id, run_steps.c.next_attempt_at.is_not(None))
        return await self._decide_where(~open_attempt & ~due_step, decision, frozenset(), limit)

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

    async def beat(self, heartbeats: Sequence[Heartbeat], *, lease_seconds: float, grace_seconds: float) -> None:
        newest = {beat.worker_id: beat for beat in heartbeats}
        leases = {lease.token: (lease, beat.worker_id) for beat in heartbeats for lease in beat.leases}
        async with available(), writing(self._engine) as connection:
            now = await _clock(connection)
            changing = rows.columns(workers, "worker_id")
            values = [_worker_values(newest[worker_id], now) for worker_id in sorted(newest)]
            await connection.execute(upsert(connection, workers, changing), values)
            if leases:
                await _renew(connection, leases, lease_seconds, grace_seconds)

    async def prune(self, *, older_than_seconds: float) -> None:
        async with available(), writing(self._engine) as connection:
            now = await _clock(connection)
            await inbox_rows.prune(connection, inbox, timedelta(seconds=older_than_seconds))
            await connection.execute(sa.delete(workers).where(workers.c.seen_at < later(now, -older_than_seconds)))
            old = idempotency.c.created_at < later(now, -_IDEMPOTENCY_SECONDS)
            await connection.execute(sa.delete(idempotency).where(old))

    async def expired(self, *, older_than_seconds: float, limit: int) -> list[str]:
        async with available(), reading(self._engine) as connection:
            before = later(await _clock(connection), -older_than_seconds)
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
            for table in (evidence, late_results, events, attempts, run_steps, runs):
                await connection.execute(sa.delete(table).where(one_of(connection, table.c.run_id, gone)))

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _decide_where(
        self, condition: sa.ColumnElement[bool], decision: Decision, empty_queues: frozenset[str], limit: int
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
            world = World(now, await self._live_types(connection), empty_queues)
            decided = await self._apply(connection, walks, world, decision, frozenset())
        self._committed()
        return decided

    async def _walks(self, connection: AsyncConnection, found: Sequence[Any]) -> tuple[dict[str, Walk], datetime]:
        """The locked runs with steps and open attempt, and the clock after the locks were granted."""
        states = [rows.run_state(row) for row in found]
        ids = [state.run_id for state in states]
        chains = await self._chains.load(connection, {state.definition_id for state in states})
        if connection.dialect.name == "postgresql":
            step_rows, opened, now = await postgresql.load(connection, ids)
        else:
            step_rows, opened, now = await _load(connection, ids)
        steps: dict[str, dict[str, Any]] = {}
        for row in step_rows:
            steps.setdefault(row.run_id, {})[row.step_id] = rows.step_state(row)
        open_attempts = {row.run_id: rows.attempt_state(row) for row in opened}
        walks = {
            state.run_id: Walk(
                chains[state.definition_id],
                state,
                steps.get(state.run_id, {}),
                open_attempts.get(state.run_id),
                limits=self._limits,
                new_token=self._new_token,
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
    ) -> Decided:
        moved = list(walks.values())
        await turns.lock(connection, moved)
        decision(Scene(world, walks, fresh))
        await write(connection, moved)
        woken = await turns.write(connection, moved)
        return Decided(moved, 0.0 if woken else _seconds_to_wake(moved, world.now))

    def _new_walk(self, order: RunOrder, now: datetime) -> Walk:
        snapshot = order.chain.snapshot
        run = RunState(
            run_id=order.run_id,
            process_id=snapshot.process_id,
            process_name=snapshot.definition.name,
            definition_id=order.chain.definition_id,
            revision=snapshot.revision,
            trigger=order.trigger,
            initiated_by=order.initiated_by,
            key=order.key,
            inputs=order.inputs,
            queued_at=now,
            deadline_at=later(now, snapshot.definition.timeout),
            from_run=order.from_run,
            from_step=order.from_step,
            trace=order.trace,
        )
        return Walk(order.chain, run, order.reused, None, limits=self._limits, new_token=self._new_token)

    async def _claim(self, connection: AsyncConnection, key: IdempotencyKey, run_id: str, now: datetime) -> bool:
        """Whether the key is new; a second request with it waits here until the first has committed."""
        claimed = await connection.execute(
            insert_new(connection, idempotency).returning(idempotency.c.run_id),
            {"actor": key.actor, "key": key.key, "digest": key.digest, "run_id": run_id, "created_at": now},
        )
        return claimed.one_or_none() is not None

    async def _live_types(self, connection: AsyncConnection) -> frozenset[str]:
        alive = sa.select(workers.c.check_types).where(
            workers.c.seen_at > after_now(connection, -self._worker_live_seconds)
        )
        return frozenset(kind for text in (await connection.scalars(alive)) for kind in from_json(text))


async def _load(connection: AsyncConnection, ids: Sequence[str]) -> tuple[Sequence[Any], Sequence[Any], datetime]:
    """Step rows, open attempts, and the clock."""
    of_these = one_of(connection, run_steps.c.run_id, ids)
    steps = (await connection.execute(sa.select(run_steps).where(of_these))).all()
    is_open = one_of(connection, attempts.c.run_id, ids) & attempts.c.ended_at.is_(None)
    opened = (await connection.execute(sa.select(attempts).where(is_open))).all()
    return steps, opened, await _clock(connection)


async def _clock(connection: AsyncConnection) -> datetime:
    return (await connection.execute(sa.select(database_now()))).scalar_one()


async def _made_before(connection: AsyncConnection, key: IdempotencyKey) -> RunAccepted:
    row = (
        await connection.execute(
            sa.select(idempotency.c.digest, runs.c.run_id, runs.c.process_id, runs.c.status, runs.c.queued_at)
            .join_from(idempotency, runs, runs.c.run_id == idempotency.c.run_id)
            .where(idempotency.c.actor == key.actor, idempotency.c.key == key.key)
        )
    ).one()
    if row.digest != key.digest:
        raise InvalidInput.field(
            "header.Idempotency-Key", "was used for another request; use a new key for each new request"
        )
    return RunAccepted(
        run_id=row.run_id, process_id=row.process_id, status=RunStatus(row.status), queued_at=row.queued_at
    )


async def _store_definition(connection: AsyncConnection, chain: Chain, now: datetime) -> None:
    await connection.execute(
        insert_new(connection, definitions),
        {
            "definition_id": chain.definition_id,
            "process_id": chain.snapshot.process_id,
            "revision": chain.snapshot.revision,
            "snapshot": chain.snapshot.model_dump_json(by_alias=True),
            "stored_at": now,
        },
    )


async def _renew(
    connection: AsyncConnection, leases: dict[str, tuple[Lease, str]], lease_seconds: float, grace_seconds: float
) -> None:
    """Renew what is open, never beyond timeout plus grace of what has begun. Rows a result has locked are left out."""
    found = await connection.execute(
        sa.select(attempts.c.run_id, attempts.c.step_id, attempts.c.attempt, attempts.c.token)
        .where(
            one_of(connection, attempts.c.run_id, {lease.run_id for lease, _ in leases.values()}),
            attempts.c.ended_at.is_(None),
            one_of(connection, attempts.c.token, leases.keys()),
        )
        .with_for_update(skip_locked=True)
    )
    held: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for row in found:
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


def _accepted(run: RunState) -> RunAccepted:
    return RunAccepted(run_id=run.run_id, process_id=run.process_id, status=run.status, queued_at=run.queued_at)


def _seconds_to_wake(walks: Sequence[Walk], now: datetime) -> float | None:
    wakes = [walk.run.wake_at for walk in walks if walk.run.wake_at is not None]
    return (min(wakes) - now).total_seconds() if wakes else None
