"""Decisions from memory, on PostgreSQL: one statement instead of four, when nobody else moved the runs.

What this replica committed last is decided upon first. The statement that writes the decision locks the runs and
compares the numbers of their events; it writes everything or nothing. Whatever does not fit is left to the way that
locks, reads, decides and writes.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.outbox import Entry

from steptrail_orchestrator.adapters.sql import postgresql
from steptrail_orchestrator.adapters.sql.beginning import seconds_to_wake
from steptrail_orchestrator.adapters.sql.changes import changes_of
from steptrail_orchestrator.adapters.sql.dialect import PATIENCE_SECONDS
from steptrail_orchestrator.adapters.sql.drivers import LOST, Drivers
from steptrail_orchestrator.adapters.sql.replica import Replica
from steptrail_orchestrator.adapters.sql.standing import Stand
from steptrail_orchestrator.domain.run import World
from steptrail_orchestrator.domain.turns import names_of
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.ports import Decided, Decision, Scene

MOST_PASSED_OVER = 64
"""Decisions that go the other way at once after several in vain: replicas share runs, or messages come twice."""


class Foresight:
    """Decides in the store of `SqlRunStore`, whose parts it shares."""

    def __init__(self, engine: AsyncEngine, replica: Replica) -> None:
        self._drivers = Drivers(engine)
        self._replica = replica
        self._pass_over = self._in_vain = 0

    async def decide(
        self, run_ids: Collection[str], decision: Decision, dedup_ids: Sequence[str]
    ) -> tuple[Decided, list[Entry]] | None:
        """As `RunStore.decide`, committed; with the messages, which are in the outbox. None: nothing was written, or
        it is not known, and whoever locks the runs finds out."""
        if self._pass_over:
            self._pass_over -= 1
            return None
        walks, now = self._walks(run_ids), self._replica.clock.now()
        if not walks or now is None:
            return None
        done = await self._decide(walks, now, decision, dedup_ids)
        self._in_vain = 0 if done else self._in_vain + 1
        self._pass_over = min(2**self._in_vain, MOST_PASSED_OVER) if self._in_vain else 0
        return done

    async def _decide(
        self, walks: dict[str, Walk], now: datetime, decision: Decision, dedup_ids: Sequence[str]
    ) -> tuple[Decided, list[Entry]] | None:
        now = max([now, *(walk.attempt.dispatched_at for walk in walks.values() if walk.attempt is not None)])
        seqs = {run_id: walk.run.seq for run_id, walk in walks.items()}
        decision(Scene(World(now), walks, frozenset(dedup_ids)))
        moved = list(walks.values())
        if any(walk.late or walk.resent for walk in moved):
            return None
        changes = changes_of(moved)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._drivers.one() as driver:
                written = await postgresql.write_unmoved(driver, changes, seqs=seqs, dedup_ids=dedup_ids, now=now)
        except LOST:  # TimeoutError is an OSError
            return None
        if written is None:
            return None
        positions, said = written
        self._replica.clock.heard(said)
        return Decided(moved, seconds_to_wake(moved, now)), changes.sent(positions)

    def _walks(self, run_ids: Collection[str]) -> dict[str, Walk]:
        """The runs as they are remembered, if all of them are, and none has to wait for its turn."""
        found: dict[str, Stand] = {}
        for run_id in set(run_ids):
            stand = self._replica.standing.take(run_id)
            if stand is None:
                return {}
            found[run_id] = stand
        walks = {}
        for run_id, stand in found.items():
            chain = self._replica.chains.get(stand.run.definition_id)
            if chain is None or names_of(chain):
                return {}
            walks[run_id] = self._replica.walk(chain, stand.run, stand.steps, stand.attempt)
        return walks
