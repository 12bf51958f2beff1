"""Decisions from memory on PostgreSQL: written at once if nobody moved the runs, else made again behind locks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.contracts.catalog import DefinitionSnapshot
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.workers import Heartbeat, Lease, StepResult
from steptrail_common.database import migrate, open_engine, reading, writing
from steptrail_common.outbox import database_now
from steptrail_common.testing.replay import replay
from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.catalog import as_chain
from steptrail_orchestrator.adapters.schema import attempts, events, evidence, inbox
from steptrail_orchestrator.adapters.sql import (
    Chains,
    SqlRunKeeping,
    SqlRunReader,
    SqlRunStore,
    dialect,
    drivers,
    plan_by_key,
    postgresql,
)
from steptrail_orchestrator.adapters.sql.clock import DatabaseClock
from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.ports import RunOrder, Scene
from steptrail_orchestrator.service import new_run_id

STEPS = ("one", "two", "three", "four")
CHAIN = as_chain(
    DefinitionSnapshot(
        process_id="p",
        revision=1,
        definition=Definition.model_validate(
            {
                "version": 1,
                "process": "p",
                "name": "P",
                "steps": [
                    {"id": one, "name": one, "check": {"type": "api_call", "url": "https://x.test"}} for one in STEPS
                ],
            }
        ),
        connections={},
    )
)


@dataclass
class Here:
    """Two replicas on one database, and what both have sent."""

    engine: AsyncEngine
    one: SqlRunStore
    two: SqlRunStore
    reader: SqlRunReader
    sent: list[Any]

    async def begin(self) -> str:
        order = RunOrder(new_run_id(), CHAIN, "manual", "anna", "4711", {"order": "4711"})
        accepted, _ = await self.one.begin(order, decisions.begin, None)
        return accepted.run_id

    async def result(self, run_id: str, **more: Any) -> StepResult:
        async with reading(self.engine) as connection:
            found = await connection.execute(
                sa.select(attempts).where(attempts.c.run_id == run_id, attempts.c.ended_at.is_(None))
            )
            row = found.one()
        return StepResult.model_validate(
            {
                "run_id": run_id,
                "step_id": row.step_id,
                "attempt": row.attempt,
                "token": row.token,
                "worker_id": "w",
                "ok": True,
                "duration_seconds": 0.01,
            }
            | more
        )

    async def take(self, store: SqlRunStore, *results: StepResult, message: str) -> int:
        """Let a replica take answers; says how often it decided: once is from memory, or by locks only."""
        looks = 0

        def decision(scene: Scene) -> None:
            nonlocal looks
            looks += 1
            if message in scene.fresh:
                for result in results:
                    decisions.accept(scene.walks[result.run_id], result, scene.world)

        await store.decide({result.run_id for result in results}, decision, dedup_ids=[message])
        return looks

    async def done(self, run_id: str) -> list[str]:
        """The steps that have passed; the history of the run tells the same, without holes."""
        stored = await self.reader.run(run_id)
        assert stored is not None
        told = replay(await self.reader.events(run_id, after=0, limit=1000))
        assert told.faults == []
        assert told.last_seq == stored.run.seq
        assert {name: told.steps[name].status for name in stored.steps} == {
            name: step.status for name, step in stored.steps.items()
        }
        return [name for name, step in stored.steps.items() if step.status is StepStatus.SUCCESS]

    async def count(self, table: sa.Table) -> int:
        async with reading(self.engine) as connection:
            return int((await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


@pytest.fixture
async def here(fresh_postgres: str) -> AsyncIterator[Here]:
    engine = plan_by_key(open_engine(fresh_postgres))
    await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))
    await SqlRunKeeping(engine).prepare_months()
    sent: list[Any] = []

    def committed(entries: Any) -> None:
        sent.extend(entries or ())

    made = [
        SqlRunStore(engine, limits=Limits(), worker_live_seconds=5.0, committed=committed, chains=Chains())
        for _ in range(2)
    ]
    yield Here(engine, made[0], made[1], SqlRunReader(engine, Chains()), sent)
    await engine.dispose()


@pytest.fixture
def statements(here: Here) -> list[str]:
    """What SQLAlchemy is asked to do; a decision from memory is not among it."""
    seen: list[str] = []

    def noted(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(here.engine.sync_engine, "before_cursor_execute", noted)
    return seen


@pytest.mark.req("NFR-006")
async def test_an_answer_to_a_run_that_nobody_moved_is_one_statement(here: Here, statements: list[str]) -> None:
    """Decided once, no lock is asked for before; the messages leave from memory with the positions of their events."""
    run_id = await here.begin()
    answers = [await here.result(run_id)]
    statements.clear()
    here.sent.clear()
    assert await here.take(here.one, *answers, message="m1") == 1
    assert statements == []
    assert await here.done(run_id) == ["one"]
    positions = [entry[1].headers["position"] for entry in here.sent if entry[0].topic]
    async with reading(here.engine) as connection:
        stored = (await connection.execute(sa.select(events.c.position).order_by(events.c.position))).scalars().all()
    assert sorted(int(n) for listed in positions for n in listed.split(",")) == stored[-2:]


@pytest.mark.parametrize("pieces", [1, postgresql.MOST_VALUES, postgresql.MOST_VALUES + 1])
async def test_evidence_of_an_answer_is_stored_with_it(here: Here, statements: list[str], pieces: int) -> None:
    """In the same statement, whether its rows are few enough to go as values or go as arrays."""
    run_id = await here.begin()
    piece = {
        "kind": "response",
        "title": "Answer",
        "media_type": "text/plain",
        "size_bytes": 3,
        "sha256": "0" * 64,
        "address": "e1",
    }
    result = await here.result(run_id, evidence=[{**piece, "evidence_id": f"e{one}"} for one in range(pieces)])
    statements.clear()
    await here.take(here.one, result, message="m1")
    assert statements == []
    assert await here.count(evidence) == pieces
    assert await here.done(run_id) == ["one"]


@pytest.mark.req("NFR-015")
async def test_what_another_replica_moved_is_decided_again_behind_its_lock(here: Here) -> None:
    """What this replica remembers is stale then: nothing of the first decision is written."""
    run_id = await here.begin()
    await here.take(here.two, await here.result(run_id), message="m1")
    assert await here.take(here.one, await here.result(run_id), message="m2") == 2
    assert await here.done(run_id) == ["one", "two"]


@pytest.mark.req("NFR-009")
async def test_a_message_that_was_handled_is_not_handled_from_memory(here: Here) -> None:
    """The same message again, with the answer to another step: it counts for nothing."""
    run_id = await here.begin()
    await here.take(here.one, await here.result(run_id), message="m1")
    await here.take(here.one, await here.result(run_id), message="m1")
    assert await here.done(run_id) == ["one"]
    assert await here.count(inbox) == 1


@pytest.mark.req("NFR-009")
async def test_an_attempt_that_was_ended_under_the_same_number_of_events_is_not_ended_again(here: Here) -> None:
    """Whatever memory believes: if the attempt is not open any more, nothing at all is written."""
    run_id = await here.begin()
    result = await here.result(run_id)
    async with writing(here.engine) as connection:
        ended = sa.update(attempts).where(attempts.c.run_id == run_id)
        await connection.execute(ended.values(ended_at=sa.func.clock_timestamp(), status="lost"))
    before = await here.count(events)
    assert await here.take(here.one, result, message="m1") == 2
    assert await here.count(events) == before
    assert await here.done(run_id) == []


async def test_what_a_heartbeat_told_meanwhile_is_kept(here: Here) -> None:
    """Memory does not know when the worker began; the row does, and keeps it."""
    run_id = await here.begin()
    result = await here.result(run_id)
    lease = Lease(run_id=run_id, step_id=result.step_id, attempt=result.attempt, token=result.token)
    told = Heartbeat(worker_id="w", version="1", check_types=["api_call"], load=1, capacity=1, leases=[lease])
    await here.one.beat([told], lease_seconds=15.0, grace_seconds=10.0)
    async with reading(here.engine) as connection:
        began = (await connection.execute(sa.select(attempts.c.started_at))).scalar_one()
    assert await here.take(here.one, result, message="m1") == 1
    async with reading(here.engine) as connection:
        row = (await connection.execute(sa.select(attempts).where(attempts.c.step_id == "one"))).one()
    assert (row.started_at, row.status) == (began, "passed")


async def test_a_moment_that_is_not_the_databases_is_not_written(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are the database's clock's: if the reckoning goes wrong, its decision counts for nothing."""
    run_id = await here.begin()
    right = DatabaseClock.now
    monkeypatch.setattr(DatabaseClock, "now", lambda clock: (right(clock) or _never()) + timedelta(hours=1))
    assert await here.take(here.one, await here.result(run_id), message="m1") == 2
    assert await here.done(run_id) == ["one"]
    async with reading(here.engine) as connection:
        asked = sa.select(attempts.c.ended_at, database_now().label("now")).where(attempts.c.step_id == "one")
        row = (await connection.execute(asked)).one()
    assert abs(row.now - row.ended_at) < timedelta(minutes=1)


def _never() -> Any:
    raise AssertionError("the clock was heard a moment ago")


async def test_after_decisions_in_vain_memory_is_passed_over_for_a_while(here: Here) -> None:
    """Replicas that share runs do not decide everything twice."""
    run_ids = [await here.begin() for _ in range(4)]
    for number, run_id in enumerate(run_ids):
        await here.take(here.two, await here.result(run_id), message=f"first {number}")
    looks = [await here.take(here.one, await here.result(run_id), message=f"then {run_id}") for run_id in run_ids]
    assert looks == [2, 1, 1, 2]
    for run_id in run_ids:
        assert await here.done(run_id) == ["one", "two"]


async def test_a_connection_that_dies_under_a_decision_loses_nothing(here: Here) -> None:
    """The decision is made again on another connection."""
    run_id = await here.begin()
    result = await here.result(run_id)
    async with writing(here.engine) as connection:
        await connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert await here.take(here.one, result, message="m1") in (1, 2)
    assert await here.done(run_id) == ["one"]


async def test_connections_that_died_are_replaced_when_plans_are_made_anew(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those at hand and of those in the pool: to forget their plans is the first that they are asked for."""
    run_id = await here.begin()
    await here.take(here.one, await here.result(run_id), message="m1")
    monkeypatch.setattr(dialect, "PLANS_LAST_SECONDS", -1.0)
    monkeypatch.setattr(drivers, "PLANS_LAST_SECONDS", -1.0)
    result = await here.result(run_id)
    async with writing(here.engine) as connection:
        await connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await here.take(here.one, result, message="m2")
    assert await here.done(run_id) == ["one", "two"]


async def test_several_runs_are_moved_together_or_not_at_all(here: Here) -> None:
    """One of them was moved by somebody else: all are decided again."""
    run_ids = [await here.begin() for _ in range(3)]
    results = [await here.result(run_id) for run_id in run_ids]
    await here.take(here.two, results[1], message="other")
    results[1] = await here.result(run_ids[1])
    assert await here.take(here.one, *results, message="m1") == 2
    assert [await here.done(run_id) for run_id in run_ids] == [["one"], ["one", "two"], ["one"]]
