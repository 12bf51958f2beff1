"""New runs: those asked for at the same moment are written in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.model import RunStatus
from steptrail_common.contracts.orchestrator import RunAccepted
from steptrail_common.database import reading, writing
from steptrail_common.errors import InvalidInput
from steptrail_common.grouping import Grouped
from steptrail_common.outbox import Entry, database_now

from steptrail_orchestrator.adapters.schema import definitions, idempotency, runs
from steptrail_orchestrator.adapters.sql import turns
from steptrail_orchestrator.adapters.sql.dialect import available, insert_new
from steptrail_orchestrator.adapters.sql.replica import Replica
from steptrail_orchestrator.adapters.sql.writing import write
from steptrail_orchestrator.domain.run import Chain, RunState, later
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.ports import IdempotencyKey, RunOrder

Begin = Callable[[Walk, datetime], None]
Begun = tuple[RunAccepted, float | None]
"""The run, and the seconds to its first wake-up."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A run that somebody waits for."""

    order: RunOrder
    decision: Begin
    key: IdempotencyKey | None


class Beginnings:
    """Begins runs in the store of `SqlRunStore`, whose parts it shares."""

    def __init__(
        self,
        engine: AsyncEngine,
        replica: Replica,
        *,
        committed: Callable[[Sequence[Entry] | None], None],
    ) -> None:
        self._engine = engine
        self._replica = replica
        self._committed = committed
        self._stored: set[str] = set()
        self._group = Grouped[_Wanted, Begun](self._begin_all)

    async def begin(self, order: RunOrder, decision: Begin, key: IdempotencyKey | None) -> Begun:
        """As `RunStore.begin`."""
        return await self._group(_Wanted(order, decision, key))

    async def begin_within(self, connection: AsyncConnection, order: RunOrder, decision: Begin, now: datetime) -> None:
        """`begin` inside the transaction of somebody else, who tells `begun` after its commit."""
        await self._begin(connection, [_Wanted(order, decision, None)], now)

    def begun(self, orders: Iterable[RunOrder], sent: Sequence[Entry] | None = None) -> None:
        """The runs are committed: their definitions are stored, their messages can leave."""
        for order in orders:
            self._stored.add(order.chain.definition_id)
            self._replica.chains.keep(order.chain)
        self._committed(sent)

    async def repeated(self, key: IdempotencyKey) -> RunAccepted | None:
        """As `RunStore.repeated`."""
        async with available(), reading(self._engine) as connection:
            known = await connection.scalar(
                sa.select(idempotency.c.run_id).where(idempotency.c.actor == key.actor, idempotency.c.key == key.key)
            )
            return await _made_before(connection, key) if known else None

    async def _begin_all(self, wanted: Sequence[_Wanted]) -> list[Begun | Exception]:
        async with available(), writing(self._engine) as connection:
            now = (await connection.execute(sa.select(database_now()))).scalar_one()
            self._replica.clock.heard(now)
            repeats = await _claim(connection, wanted, now)
            new = [one for one in wanted if one.order.run_id not in repeats]
            walks, sent = await self._begin(connection, new, now)
            outcomes = {run_id: await _repeat(connection, key) for run_id, key in repeats.items()}
        for walk in walks:
            self._replica.standing.keep(walk, new=True)
        self.begun([one.order for one in new], sent)
        outcomes |= {walk.run.run_id: (_accepted(walk.run), seconds_to_wake([walk], now)) for walk in walks}
        return [outcomes[one.order.run_id] for one in wanted]

    async def _begin(
        self, connection: AsyncConnection, wanted: Sequence[_Wanted], now: datetime
    ) -> tuple[list[Walk], list[Entry]]:
        walks = [self._new_walk(one.order, now) for one in wanted]
        await turns.lock(connection, walks)
        for one, walk in zip(wanted, walks, strict=True):
            one.decision(walk, now)
        unknown = {one.order.chain.definition_id: one.order.chain for one in wanted}
        for definition_id in sorted(unknown.keys() - self._stored):
            await _store_definition(connection, unknown[definition_id], now)
        sent = await write(connection, walks, new=True)
        await turns.write(connection, walks)
        return walks, sent

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
        return self._replica.walk(order.chain, run, order.reused, None)


def seconds_to_wake(walks: Sequence[Walk], now: datetime) -> float | None:
    """Until the first of them must be looked at; None when all are over."""
    wakes = [walk.run.wake_at for walk in walks if walk.run.wake_at is not None]
    return (min(wakes) - now).total_seconds() if wakes else None


async def _claim(connection: AsyncConnection, wanted: Sequence[_Wanted], now: datetime) -> dict[str, IdempotencyKey]:
    """The runs whose key made another one before, by their ids; the others have theirs from now on.

    A second request with a key waits here until the first has committed. Keys are claimed in their order, so that two
    transactions never wait for each other.
    """
    keyed = sorted(
        ((one.key, one.order.run_id) for one in wanted if one.key), key=lambda pair: (pair[0].actor, pair[0].key)
    )
    if not keyed:
        return {}
    values = [
        {"actor": key.actor, "key": key.key, "digest": key.digest, "run_id": run_id, "created_at": now}
        for key, run_id in keyed
    ]
    claimed = await connection.scalars(
        insert_new(connection, idempotency).values(values).returning(idempotency.c.run_id)
    )
    mine = set(claimed)
    return {run_id: key for key, run_id in keyed if run_id not in mine}


async def _repeat(connection: AsyncConnection, key: IdempotencyKey) -> Begun | Exception:
    try:
        return await _made_before(connection, key), None
    except InvalidInput as error:
        return error


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


def _accepted(run: RunState) -> RunAccepted:
    return RunAccepted(run_id=run.run_id, process_id=run.process_id, status=run.status, queued_at=run.queued_at)
