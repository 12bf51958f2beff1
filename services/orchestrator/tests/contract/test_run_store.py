"""What `RunStore` promises, on PostgreSQL and SQLite, with several replicas on one database."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.bus.port import Delivery, Message
from steptrail_common.contracts.catalog import DefinitionSnapshot
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.events import BATCH_CONTENT_TYPE, read_events
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.workers import RESULTS_QUEUE, Heartbeat, Lease, StepResult, StepResultBundle
from steptrail_common.database import migrate, open_engine, reading, writing
from steptrail_common.errors import InvalidInput
from steptrail_common.outbox import database_now
from steptrail_common.testing.replay import replay
from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.catalog import as_chain
from steptrail_orchestrator.adapters.schema import attempts, events, late_results, metadata, outbox, run_steps, runs
from steptrail_orchestrator.adapters.sql import Chains, SqlRunKeeping, SqlRunReader, SqlRunStore, months
from steptrail_orchestrator.adapters.sql.writing import FenceBroken
from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.run import AttemptState, Chain, Limits
from steptrail_orchestrator.handlers import accept_results
from steptrail_orchestrator.ports import IdempotencyKey, RunOrder, Scene
from steptrail_orchestrator.service import new_run_id

LIMITS = Limits(lease_seconds=0.2, grace_seconds=0.1, pickup_seconds=30.0, notice_seconds=20.0)


def chain_of(*steps: dict[str, Any], **more: Any) -> Chain:
    definition = Definition.model_validate(
        {
            "version": 1,
            "process": "p",
            "name": "P",
            "steps": [{"name": "x", "check": {"type": "api_call", "url": "https://x.test"}, **step} for step in steps],
            **more,
        }
    )
    return as_chain(DefinitionSnapshot(process_id="p", revision=1, definition=definition, connections={}))


@dataclass
class Here:
    """Two replicas on one database."""

    engine: AsyncEngine
    one: SqlRunStore
    two: SqlRunStore
    reader: SqlRunReader

    async def begin(self, chain: Chain, key: IdempotencyKey | None = None) -> str:
        order = RunOrder(new_run_id(), chain, "manual", "anna", "4711", {})
        accepted, _ = await self.one.begin(order, decisions.begin, key)
        return accepted.run_id

    async def open_attempt(self, run_id: str) -> Any:
        async with reading(self.engine) as connection:
            found = await connection.execute(
                sa.select(attempts).where(attempts.c.run_id == run_id, attempts.c.ended_at.is_(None))
            )
            return found.one()

    async def result(self, run_id: str, **more: Any) -> StepResult:
        row = await self.open_attempt(run_id)
        return answer(row, **more)

    async def count(self, table: sa.Table, *where: Any) -> int:
        async with reading(self.engine) as connection:
            counted = await connection.execute(sa.select(sa.func.count()).select_from(table).where(*where))
            return int(counted.scalar_one())

    async def check(self, run_id: str) -> None:
        """The invariants of a run: its history is complete and its state is the sum of it."""
        stored = await self.reader.run(run_id)
        assert stored is not None
        told = replay(await self.reader.events(run_id, after=0, limit=10_000))
        assert told.faults == []
        assert (told.status, told.last_seq) == (stored.run.status, stored.run.seq)
        for step_id, step in stored.steps.items():
            assert (told.steps[step_id].status, told.steps[step_id].attempt) == (step.status, step.attempt)
        for step_id in {tried.state.step_id for tried in stored.tried}:
            numbers = [tried.state.attempt for tried in stored.tried if tried.state.step_id == step_id]
            assert numbers == list(range(1, len(numbers) + 1))
            accepted = [t for t in stored.tried if t.state.step_id == step_id and t.status == "passed"]
            assert len(accepted) <= 1


def answer(row: Any, **more: Any) -> StepResult:
    values = {
        "run_id": row.run_id, "step_id": row.step_id, "attempt": row.attempt, "token": row.token,
        "worker_id": "w", "ok": True, "duration_seconds": 0.01,
    }  # fmt: skip
    return StepResult.model_validate(values | more)


def accepting(*results: StepResult) -> Callable[[Scene], None]:
    def decision(scene: Scene) -> None:
        for result in results:
            if result.run_id in scene.walks:
                decisions.accept(scene.walks[result.run_id], result, scene.world)

    return decision


def ticking(scene: Scene) -> None:
    for walk in scene.walks.values():
        decisions.tick(walk, scene.world)


@pytest.fixture
async def here(store_address: str) -> AsyncIterator[Here]:
    engine = open_engine(store_address)
    await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))
    await SqlRunKeeping(engine).prepare_months()
    made = [
        SqlRunStore(engine, limits=LIMITS, worker_live_seconds=5.0, committed=lambda _: None, chains=Chains())
        for _ in range(2)
    ]
    yield Here(engine, made[0], made[1], SqlRunReader(engine, Chains()))
    await engine.dispose()


TWO = ({"id": "one"}, {"id": "two"})


async def test_the_migrations_make_the_schema_the_code_knows(here: Here) -> None:
    """No table, column or index is missing on either side."""
    async with reading(here.engine) as connection:
        found = await connection.run_sync(
            lambda c: compare_metadata(
                MigrationContext.configure(c, opts={"version_table": "alembic_orchestrator"}), metadata
            )
        )
    assert [change for change in found if not _of_a_partition(change)] == []


def _of_a_partition(change: Any) -> bool:
    """A partition is no table that the code knows. Changes of one column come as a list."""
    if isinstance(change, list):
        return False
    table = change[1] if change[0] == "remove_table" else getattr(change[1], "table", None)
    return table is not None and table.name.startswith(tuple(f"{one.name}_" for one in months.PARTITIONED))


async def test_a_second_answer_to_one_attempt_is_refused(here: Here) -> None:
    """Two replicas take two different answers of one attempt at the same moment: exactly one counts."""
    run_id = await here.begin(chain_of(*TWO))
    good = await here.result(run_id)
    bad = good.model_copy(update={"ok": False, "failure_class": FailureClass.ASSERTION})
    await asyncio.gather(
        here.one.decide([run_id], accepting(good), dedup_ids=["a"]),
        here.two.decide([run_id], accepting(bad), dedup_ids=["b"]),
    )
    async with reading(here.engine) as connection:
        ended = await connection.execute(
            sa.select(attempts).where(attempts.c.run_id == run_id, attempts.c.step_id == "one")
        )
    assert [row.status in ("passed", "failed") for row in ended] == [True]
    await here.check(run_id)


def ending(attempt: AttemptState, result: StepResult) -> Callable[[Scene], None]:
    """A decision that is mistaken about which attempt of step one is open, and ends that one."""

    def decision(scene: Scene) -> None:
        walk = scene.walks[result.run_id]
        walk.attempt = attempt
        walk.end_attempt("failed", scene.world.now, result)
        walk.emit("step.retrying", scene.world.now, walk.steps["two"])

    return decision


async def kept_attempt(here: Here, run_id: str) -> AttemptState:
    """The open attempt as a decision sees it."""
    kept: list[AttemptState] = []

    def keeping(scene: Scene) -> None:
        attempt = scene.walks[run_id].attempt
        assert attempt is not None
        kept.append(replace(attempt))

    await here.one.decide([run_id], keeping)
    return kept[0]


async def test_the_database_takes_no_second_end_of_an_attempt(here: Here) -> None:
    """Whatever a decision believes: the update finds an open attempt only, and otherwise nothing at all is written."""
    run_id = await here.begin(chain_of(*TWO))
    over, good = await kept_attempt(here, run_id), await here.result(run_id)
    await here.one.decide([run_id], accepting(good), dedup_ids=["a"])
    before = [await here.count(table) for table in (events, outbox)]
    with pytest.raises(FenceBroken):
        await here.two.decide([run_id], ending(over, good))
    assert [await here.count(table) for table in (events, outbox)] == before
    await here.check(run_id)


async def test_the_database_takes_no_end_with_another_token(here: Here) -> None:
    """The token is part of the condition: an attempt that was given out anew under the same number is another one."""
    run_id = await here.begin(chain_of(*TWO))
    good = await here.result(run_id)
    await here.one.decide([run_id], accepting(good), dedup_ids=["a"])
    stale = replace(await kept_attempt(here, run_id), token="of another life")
    with pytest.raises(FenceBroken):
        await here.two.decide([run_id], ending(stale, good))
    assert (await here.open_attempt(run_id)).step_id == "two"
    await here.check(run_id)


async def test_a_message_that_comes_twice_is_taken_once(here: Here) -> None:
    """The second delivery leaves no trace, not even that of a late answer."""
    run_id = await here.begin(chain_of(*TWO))
    forged = (await here.result(run_id)).model_copy(update={"token": "guess"})
    body = StepResultBundle(items=[forged]).model_dump_json().encode()
    for _ in range(2):
        delivery = Delivery(Message(body, dedup_id="m1"), RESULTS_QUEUE)
        await accept_results([delivery], store=here.one, poke=lambda _: None)
    assert await here.count(late_results) == 1


async def test_events_of_one_transaction_with_one_routing_key_are_one_message(here: Here) -> None:
    """A JSON list of CloudEvents with the positions of the log beside it, in the same order."""
    run_ids = [await here.begin(chain_of(*TWO)) for _ in range(3)]
    results = [await here.result(run_id) for run_id in run_ids]
    await here.one.decide(run_ids, accepting(*results), dedup_ids=["m"])
    async with reading(here.engine) as connection:
        rows = (await connection.execute(sa.select(outbox).where(outbox.c.topic.startswith("step.finished.")))).all()
        logged = (await connection.execute(sa.select(events).order_by(events.c.position))).all()
    assert [row.content_type for row in rows] == [BATCH_CONTENT_TYPE]
    told = [data for _, data in read_events(bytes(rows[0].body))]
    finished = [row for row in logged if json.loads(row.document)["type"] == "step.finished"]
    assert [(one.run_id, one.seq) for one in told] == [(row.run_id, row.seq) for row in finished]
    assert json.loads(rows[0].headers)["position"] == ",".join(str(row.position) for row in finished)


async def test_a_run_that_another_replica_moved_is_read_again(here: Here) -> None:
    """What a replica keeps of a run in memory is used only as long as nobody else moved it."""
    run_id = await here.begin(chain_of(*TWO, {"id": "three"}))
    for store in (here.one, here.two, here.one):
        await store.decide([run_id], accepting(await here.result(run_id)))
        await here.check(run_id)
    stored = await here.reader.run(run_id)
    assert stored is not None
    assert {step.status for step in stored.steps.values()} == {StepStatus.SUCCESS}


async def test_a_repeated_message_is_known_by_its_dedup_id(here: Here) -> None:
    """The second delivery is not fresh, on any replica."""
    run_id = await here.begin(chain_of(*TWO))
    seen: list[frozenset[str]] = []
    for store in (here.one, here.two):
        await store.decide([run_id], lambda scene: seen.append(scene.fresh), dedup_ids=["m1"])
    assert seen == [frozenset({"m1"}), frozenset()]


async def test_a_repeat_of_the_accepted_answer_is_not_late(here: Here) -> None:
    """It came in another bundle, so its dedup id is new: it changes nothing and is no finding for the audit."""
    run_id = await here.begin(chain_of(*TWO))
    good = await here.result(run_id)
    for dedup in ("a", "b"):
        await here.one.decide([run_id], accepting(good), dedup_ids=[dedup])
    assert await here.count(late_results) == 0
    await here.check(run_id)


async def test_a_wrong_token_changes_nothing_and_is_kept(here: Here) -> None:
    """A forged or stale answer is refused and recorded without its token."""
    run_id = await here.begin(chain_of(*TWO))
    forged = (await here.result(run_id)).model_copy(update={"token": "guess"})
    await here.one.decide([run_id], accepting(forged), dedup_ids=["a"])
    assert (await here.open_attempt(run_id)).step_id == "one"
    async with reading(here.engine) as connection:
        row = (await connection.execute(sa.select(late_results))).one()
    assert row.why == "wrong token"
    assert "guess" not in row.result


@pytest.mark.parametrize("other", [{"step_id": "two"}, {"attempt": 2}, {"step_id": "none"}, {"attempt": 0}], ids=str)
async def test_an_answer_for_something_else_than_the_open_attempt_changes_nothing(
    here: Here, other: dict[str, Any]
) -> None:
    """Even with a token that is right: it answers step and attempt as well."""
    run_id = await here.begin(chain_of(*TWO))
    stray = await here.result(run_id, **other)
    await here.one.decide([run_id], accepting(stray), dedup_ids=["a"])
    open_attempt = await here.open_attempt(run_id)
    assert (open_attempt.step_id, open_attempt.attempt) == ("one", 1)
    await here.check(run_id)


async def test_an_answer_after_the_lease_is_late(here: Here) -> None:
    """The attempt was lost and given out again: the old answer is marked late, the new one counts."""
    run_id = await here.begin(chain_of(*TWO))
    old = await here.result(run_id)
    await here.one.beat([beat(old)], lease_seconds=0.1, grace_seconds=0.1)
    await asyncio.sleep(0.15)
    await here.one.decide([run_id], ticking)
    new = await here.result(run_id)
    assert new.attempt == 2
    await here.one.decide([run_id], accepting(old), dedup_ids=["old"])
    await here.one.decide([run_id], accepting(new), dedup_ids=["new"])
    stored = await here.reader.run(run_id)
    assert stored is not None
    assert [(t.status, t.late) for t in stored.tried if t.state.step_id == "one"] == [("lost", True), ("passed", False)]
    await here.check(run_id)


def beat(result: StepResult, worker_id: str = "w") -> Heartbeat:
    lease = Lease(run_id=result.run_id, step_id=result.step_id, attempt=result.attempt, token=result.token)
    return Heartbeat(worker_id=worker_id, version="1", check_types=["api_call"], load=1, capacity=1, leases=[lease])


def listening(*kinds: str, leaving: bool = False) -> Heartbeat:
    return Heartbeat(worker_id="w", version="1", check_types=kinds, load=0, capacity=1, leases=[], leaving=leaving)


async def wakes_in_seconds(here: Here, run_id: str) -> float:
    async with reading(here.engine) as connection:
        asked = sa.select(runs.c.wake_at, database_now().label("now")).where(runs.c.run_id == run_id)
        row = (await connection.execute(asked)).one()
        return float((row.wake_at - row.now).total_seconds())


async def test_a_run_that_somebody_listens_for_is_woken_when_nobody_does_any_more(here: Here) -> None:
    """It is not looked at meanwhile, and at once when the last worker of its kind is gone; other kinds wake nothing."""
    await here.one.beat([listening("api_call")], lease_seconds=1.0, grace_seconds=1.0)
    await here.one.look_for_listeners()
    run_id = await here.begin(chain_of(*TWO))
    assert await wakes_in_seconds(here, run_id) > LIMITS.notice_seconds - 0.5
    await here.one.beat([listening("api_call")], lease_seconds=1.0, grace_seconds=1.0)
    await here.one.look_for_listeners()
    assert await wakes_in_seconds(here, run_id) > 10
    await here.one.beat([listening(leaving=True)], lease_seconds=1.0, grace_seconds=1.0)
    await here.one.look_for_listeners()
    assert await wakes_in_seconds(here, run_id) <= 0
    stored = await here.reader.run(run_id)
    assert stored is not None
    assert stored.run.status is RunStatus.RUNNING


async def test_a_replica_that_starts_wakes_what_nobody_listens_for(here: Here) -> None:
    """Another one may have died before it could; what has been taken has a lease, and is left alone."""
    await here.one.beat([listening("api_call")], lease_seconds=1.0, grace_seconds=1.0)
    await here.one.look_for_listeners()
    waits, taken = await here.begin(chain_of(*TWO)), await here.begin(chain_of(*TWO))
    await here.one.beat([beat(await here.result(taken))], lease_seconds=15.0, grace_seconds=1.0)
    await here.one.beat([listening(leaving=True)], lease_seconds=1.0, grace_seconds=1.0)
    await here.two.look_for_listeners()
    assert await wakes_in_seconds(here, waits) <= 0
    assert await wakes_in_seconds(here, taken) > 0


async def test_a_lease_is_renewed_but_never_beyond_timeout_and_grace(here: Here) -> None:
    """A worker that beats for ever does not hold an attempt for ever."""
    run_id = await here.begin(chain_of({"id": "one", "timeout": "1s"}))
    taken = await here.result(run_id)
    for _ in range(2):
        await here.one.beat([beat(taken)], lease_seconds=600.0, grace_seconds=2.0)
    row = await here.open_attempt(run_id)
    assert row.status == "running"
    assert (row.lease_until - row.started_at).total_seconds() == pytest.approx(3.0, abs=0.01)


async def test_a_worker_that_leaves_is_forgotten(here: Here) -> None:
    """One that stops in good order is not missed; the others still live."""
    stays, leaves = (
        Heartbeat(worker_id=name, version="1", check_types=["api_call"], load=0, capacity=1)
        for name in ("stays", "leaves")
    )
    await here.one.beat([stays, leaves], lease_seconds=1.0, grace_seconds=1.0)
    assert {"stays", "leaves"} <= {worker.worker_id for worker in await here.reader.workers()}
    await here.one.beat([leaves.model_copy(update={"leaving": True})], lease_seconds=1.0, grace_seconds=1.0)
    left = {worker.worker_id for worker in await here.reader.workers()}
    assert ("stays" in left, "leaves" in left) == (True, False)


async def test_cancel_and_an_answer_at_the_same_moment_agree(here: Here) -> None:
    """Whoever comes first: the run ends once, nothing starts after a cancel, no event number is missing."""
    for _ in range(5):
        run_id = await here.begin(chain_of(*TWO))
        good = await here.result(run_id)

        def cancelling(scene: Scene) -> None:
            for walk in scene.walks.values():
                decisions.cancel(walk, "anna", scene.world.now)

        await asyncio.gather(
            here.one.decide([run_id], accepting(good), dedup_ids=[run_id]), here.two.decide([run_id], cancelling)
        )
        stored = await here.reader.run(run_id)
        assert stored is not None
        assert stored.run.status is RunStatus.CANCELLED
        assert all(tried.end is not None for tried in stored.tried)
        await here.check(run_id)


async def test_the_same_key_makes_one_run(here: Here) -> None:
    """Also when ten requests arrive at once; with another body the key is refused."""
    key = IdempotencyKey("anna", "k1", "digest")
    begun = await asyncio.gather(*(here.begin(chain_of(*TWO), key) for _ in range(10)))
    assert len(set(begun)) == 1
    assert await here.count(runs) == 1
    repeated = await here.two.repeated(key)
    assert repeated is not None
    assert repeated.run_id == begun[0]
    with pytest.raises(InvalidInput, match="another request"):
        await here.begin(chain_of(*TWO), IdempotencyKey("anna", "k1", "other"))
    assert await here.begin(chain_of(*TWO), IdempotencyKey("ben", "k1", "digest")) != begun[0]


async def due_retries(here: Here, count: int) -> list[str]:
    """Runs whose first attempt has failed and whose second is due."""
    chain = chain_of({"id": "one", "retry": {"count": 3, "interval": "10ms", "backoff": "fixed", "on": ["connect"]}})
    ids = [await here.begin(chain) for _ in range(count)]
    for run_id in ids:
        trouble = await here.result(run_id, ok=False, failure_class="connect")
        await here.one.decide([run_id], accepting(trouble), dedup_ids=[run_id])
    await asyncio.sleep(0.05)
    return ids


async def test_two_sweepers_share_what_is_due(here: Here) -> None:
    """Every due retry is dispatched exactly once."""
    ids = await due_retries(here, 12)
    swept = await asyncio.gather(
        *(store.decide_due(ticking, empty_queues={}, limit=100) for store in (here.one, here.two))
    )
    assert sorted(walk.run.run_id for decided in swept for walk in decided.walks) == sorted(ids)
    for run_id in ids:
        assert (await here.open_attempt(run_id)).attempt == 2
        await here.check(run_id)


@pytest.mark.parametrize("store_address", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_a_sweeper_passes_over_what_another_decides_upon(here: Here) -> None:
    """It dispatches the other due runs at once."""
    ids = await due_retries(here, 4)
    async with writing(here.engine) as other:
        await other.execute(sa.select(runs.c.run_id).where(runs.c.run_id.in_(ids[:2])).with_for_update())
        async with asyncio.timeout(5):
            swept = await here.two.decide_due(ticking, empty_queues={}, limit=100)
    assert sorted(walk.run.run_id for walk in swept.walks) == sorted(ids[2:])


async def test_an_orphan_is_found_and_moved_on(here: Here) -> None:
    """A run that lost its open attempt to a storage fault goes on and ends."""
    run_id = await here.begin(chain_of(*TWO))
    async with writing(here.engine) as connection:
        await connection.execute(sa.delete(attempts).where(attempts.c.run_id == run_id))
    decided = await here.one.decide_orphans(ticking, limit=10)
    assert [walk.repaired for walk in decided.walks] == [1]
    assert (await here.open_attempt(run_id)).attempt == 2
    assert (await here.one.decide_orphans(ticking, limit=10)).walks == ()


@pytest.mark.parametrize("change", ["status = 'running', ended_at = NULL", "seq = seq + 1", "status = 'success'"])
async def test_final_is_final_in_the_database(here: Here, change: str) -> None:
    """No statement of anybody changes a finished run."""
    run_id = await here.begin(chain_of({"id": "one"}))
    bad = await here.result(run_id, ok=False, failure_class=FailureClass.ASSERTION)
    await here.one.decide([run_id], accepting(bad), dedup_ids=["a"])
    with pytest.raises(sa.exc.DBAPIError, match=r"final|ck_runs"):
        async with writing(here.engine) as connection:
            await connection.execute(sa.text(f"UPDATE runs SET {change} WHERE run_id = :id"), {"id": run_id})  # noqa: S608
    with pytest.raises(sa.exc.DBAPIError, match="final"):
        async with writing(here.engine) as connection:
            await connection.execute(sa.update(run_steps).values(status="success"))
    with pytest.raises(sa.exc.DBAPIError, match="final"):
        async with writing(here.engine) as connection:
            await connection.execute(sa.update(events).values(document="{}"))


async def test_an_open_run_always_has_a_deadline(here: Here) -> None:
    """The database refuses a state that could wait for ever."""
    run_id = await here.begin(chain_of(*TWO))
    with pytest.raises(sa.exc.IntegrityError):
        async with writing(here.engine) as connection:
            await connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(wake_at=None))


async def test_a_decision_that_fails_leaves_nothing_behind(here: Here) -> None:
    """State, events, messages and the noted dedup ids are one transaction."""
    run_id = await here.begin(chain_of(*TWO))
    before = [await here.count(table) for table in (events, outbox, attempts)]
    good = await here.result(run_id)

    def broken(scene: Scene) -> None:
        decisions.accept(scene.walks[run_id], good, scene.world)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await here.one.decide([run_id], broken, dedup_ids=["m"])
    assert [await here.count(table) for table in (events, outbox, attempts)] == before
    seen: list[frozenset[str]] = []
    await here.one.decide([run_id], lambda scene: seen.append(scene.fresh), dedup_ids=["m"])
    assert seen == [frozenset({"m"})]


async def test_a_batch_over_many_runs_is_one_transaction(here: Here) -> None:
    """Requests that leave together for one queue travel in one message, each with its own token."""
    ids = [await here.begin(chain_of(*TWO)) for _ in range(8)]
    results = [await here.result(run_id) for run_id in ids]
    queued = outbox.c.destination_queue == "steptrail.step.api_call.v1"
    before = await here.count(outbox, queued)
    await here.one.decide(ids, accepting(*results), dedup_ids=["a"])
    assert await here.count(outbox, queued) == before + 1
    tokens = {(await here.open_attempt(run_id)).token for run_id in ids}
    assert len(tokens) == 8
    for run_id in ids:
        await here.check(run_id)


async def test_positions_grow_with_every_event(here: Here) -> None:
    """The global log is read from any position on, filtered by run or process."""
    first, second = [await here.begin(chain_of(*TWO)) for _ in range(2)]
    log = await here.reader.log(after=0, run_ids=(), process_ids=(), limit=100)
    positions = [int(item.cursor) for item in log]
    assert positions == sorted(set(positions))
    rest = await here.reader.log(after=positions[2], run_ids=[second], process_ids=(), limit=100)
    assert [item.event.seq for item in rest] == [1, 2, 3]
    assert [item.event.run_id for item in rest] == [second] * 3
    assert first not in {item.event.run_id for item in rest}


async def test_pruning_keeps_what_is_young(here: Here) -> None:
    """Message ids and silent workers are forgotten only after the given time."""
    run_id = await here.begin(chain_of(*TWO))
    await here.one.decide([run_id], lambda _: None, dedup_ids=["m"])
    await here.one.prune(older_than_seconds=60.0)
    seen: list[frozenset[str]] = []
    await here.two.decide([run_id], lambda scene: seen.append(scene.fresh), dedup_ids=["m"])
    await here.one.prune(older_than_seconds=0.0)
    await here.two.decide([run_id], lambda scene: seen.append(scene.fresh), dedup_ids=["m"])
    assert seen[0] == frozenset()
    assert seen[-1] == frozenset({"m"})
