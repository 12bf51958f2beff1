"""Partitions by month: where runs are stored, what survives the change to them, and how whole months go."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.contracts.catalog import DefinitionSnapshot
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.workers import StepResult
from steptrail_common.database import migrate, open_engine, reading, writing
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.catalog import as_chain
from steptrail_orchestrator.adapters.schema import attempts, events, late_results, runs
from steptrail_orchestrator.adapters.sql import Chains, SqlRunKeeping, SqlRunReader, SqlRunStore, months
from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.handlers import Archive, forget_old_runs
from steptrail_orchestrator.ports import RunOrder, Scene
from steptrail_orchestrator.service import new_run_id

MIGRATIONS = Path(migrations.__path__[0])
BACKUP = Path(__file__).parents[4] / "docs/howto/backup.md"
LIMITS = Limits(lease_seconds=15, heartbeat_seconds=5, grace_seconds=10, notice_seconds=2, pickup_seconds=60,
                republish_seconds=20)  # fmt: skip
STEP = {"id": "one", "name": "One", "check": {"type": "api_call", "url": "https://x.test"}}
DEFINITION = Definition.model_validate({"version": 1, "process": "p", "name": "P", "steps": [STEP]})
CHAIN = as_chain(DefinitionSnapshot(process_id="p", revision=1, definition=DEFINITION, connections={}))


@pytest.fixture
async def engine(fresh_postgres: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(fresh_postgres)
    yield engine
    await engine.dispose()


def store_on(engine: AsyncEngine) -> SqlRunStore:
    return SqlRunStore(engine, limits=LIMITS, worker_live_seconds=5.0, committed=lambda _: None, chains=Chains())


async def begin(engine: AsyncEngine, run_id: str | None = None) -> str:
    order = RunOrder(run_id or new_run_id(), CHAIN, "manual", "anna", "4711", {})
    accepted, _ = await store_on(engine).begin(order, decisions.begin, None)
    return accepted.run_id


async def end(engine: AsyncEngine, run_id: str) -> None:
    """Answer its only step."""
    async with reading(engine) as connection:
        row = (await connection.execute(sa.select(attempts).where(attempts.c.run_id == run_id))).one()
    result = StepResult(run_id=run_id, step_id="one", attempt=1, token=row.token, worker_id="w", ok=True,
                        duration_seconds=0.1)  # fmt: skip

    def decision(scene: Scene) -> None:
        assert decisions.accept(scene.walks[run_id], result, scene.world)

    await store_on(engine).decide([run_id], decision)


async def partitions(engine: AsyncEngine) -> dict[str, int]:
    """Attempts by partition."""
    async with reading(engine) as connection:
        found = await connection.execute(sa.text("SELECT tableoid::regclass::text, count(*) FROM attempts GROUP BY 1"))
        return {row[0]: row[1] for row in found}


async def exists(engine: AsyncEngine, name: str) -> Any:
    async with reading(engine) as connection:
        return await connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": name})


@pytest.mark.req("NFR-017")
async def test_a_run_is_stored_in_the_partition_of_its_month(engine: AsyncEngine) -> None:
    """By the moment in its id; the answer to it is accepted there as anywhere."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    keeping = SqlRunKeeping(engine)
    await keeping.prepare_months()
    await keeping.prepare_months()  # changes nothing
    later = months.month_of(datetime.now(UTC), 2)
    run_id = await begin(engine, f"{months.first_id(later)}-7000-8000-000000000001")
    await end(engine, run_id)
    assert await partitions(engine) == {f"attempts_{later:%Y_%m}": 1}
    stored = await SqlRunReader(engine, Chains()).run(run_id)
    assert stored is not None
    assert stored.run.status == "success"


async def test_a_run_that_fits_into_no_month_is_stored_all_the_same(engine: AsyncEngine) -> None:
    """A replica whose clock is years ahead loses nothing."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    await SqlRunKeeping(engine).prepare_months()
    run_id = await begin(engine, "ffffffff-ffff-7000-8000-000000000001")
    await end(engine, run_id)
    assert await partitions(engine) == {"attempts_rest": 1}


async def test_runs_from_a_clock_ahead_keep_no_replica_from_its_start(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When their month comes nearer it gets no partition of its own: they stay where they are, others are made."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    keeping = SqlRunKeeping(engine)
    await keeping.prepare_months()
    ahead = months.month_of(datetime.now(UTC), 4)
    run_id = await begin(engine, f"{months.first_id(ahead)}-7000-8000-000000000001")
    monkeypatch.setattr(months, "MONTHS_AHEAD", 5)
    await keeping.prepare_months()
    assert await exists(engine, f"attempts_{ahead:%Y_%m}") is None
    assert await exists(engine, f"attempts_{months.month_of(ahead, 1):%Y_%m}") is not None
    await end(engine, run_id)
    assert await partitions(engine) == {"attempts_rest": 1}


@pytest.mark.req("NFR-017", "IR-7")
async def test_what_was_stored_before_there_were_partitions_is_kept(engine: AsyncEngine) -> None:
    """An open run goes on, its events stay in order, and positions are given on from where they were."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS, target="0004")
    run_id = await begin(engine)
    reader = SqlRunReader(engine, Chains())
    before = await reader.log(after=0, run_ids=[run_id], process_ids=[], limit=100)
    await engine.dispose()  # statements that knew the old tables

    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    await SqlRunKeeping(engine).prepare_months()
    await end(engine, run_id)
    after = await reader.log(after=0, run_ids=[run_id], process_ids=[], limit=100)
    assert after[: len(before)] == before
    assert [entry.event.seq for entry in after] == list(range(1, len(after) + 1))
    assert len({entry.cursor for entry in after}) == len(after)
    assert await partitions(engine) == {"attempts_first": 1}
    async with writing(engine) as connection:
        with pytest.raises(sa.exc.DBAPIError, match="is final"):
            await connection.execute(sa.update(events).values(document="{}"))


@pytest.mark.req("NFR-017", "FR-024")
async def test_a_month_whose_runs_have_all_expired_is_dropped_at_once(engine: AsyncEngine) -> None:
    """With everything of its runs; a month with an open run stays, and so does what is newer."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    keeping = SqlRunKeeping(engine)
    await keeping.prepare_months()
    old, still_open = await begin(engine), await begin(engine)
    newer = await begin(engine, f"{months.first_id(months.month_of(datetime.now(UTC), 3))}-7000-8000-000000000001")
    next_month = months.month_of(datetime.now(UTC), 1) - datetime.now(UTC)
    seen_from_then = -next_month.total_seconds() - 60
    await end(engine, old)
    assert await keeping.expired_month(older_than_seconds=0) is None
    assert await keeping.expired_month(older_than_seconds=seen_from_then) is None  # the open run
    await end(engine, still_open)

    month = await keeping.expired_month(older_than_seconds=seen_from_then)
    assert month == "_first"
    assert sorted(await keeping.runs_of_month(month, after="", limit=10)) == sorted([old, still_open])
    assert await keeping.forget_month(month) == 2
    assert await keeping.forget_month(month) == 0  # another replica was quicker
    assert await exists(engine, "attempts_first") is None
    async with reading(engine) as connection:
        assert list(await connection.scalars(sa.select(runs.c.run_id))) == [newer]
    await end(engine, newer)
    assert await SqlRunReader(engine, Chains()).run(old) is None


@pytest.mark.req("NFR-017")
async def test_while_the_runs_of_a_month_are_forgotten_others_begin_and_end(engine: AsyncEngine) -> None:
    """However many they are: the tables are locked for the drop alone. Here somebody holds up the deletion."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    keeping = SqlRunKeeping(engine)
    await keeping.prepare_months()
    old = await begin(engine)
    await end(engine, old)
    async with writing(engine) as connection:
        late = {"received_at": datetime.now(UTC), "run_id": old, "step_id": "one", "attempt": 1, "worker_id": "w"}
        await connection.execute(sa.insert(late_results).values(late | {"why": "test", "result": "{}"}))
    async with engine.connect() as holding:
        await holding.execute(sa.select(late_results).with_for_update())
        forgetting = asyncio.create_task(keeping.forget_month("_first"))
        async with asyncio.timeout(30):
            while await exists(engine, "attempts_first") is not None:  # noqa: ASYNC110 - a state of the database
                await asyncio.sleep(0.02)
        newer = await begin(engine, f"{months.first_id(months.month_of(datetime.now(UTC), 1))}-7000-8000-000000000001")
        await end(engine, newer)
        assert not forgetting.done()
        await holding.rollback()
    assert await forgetting == 1
    async with reading(engine) as connection:
        assert list(await connection.scalars(sa.select(runs.c.run_id))) == [newer]
        assert list(await connection.scalars(sa.select(late_results.c.run_id))) == []


class Stopped(SqlRunKeeping):
    """A replica that is stopped when the month is dropped and its runs are not yet forgotten."""

    async def _forget_runs(self, month: months.Month) -> int:
        raise Unavailable("stopped")


@pytest.mark.req("NFR-017", "NFR-006")
@pytest.mark.parametrize("noted", [True, False], ids=["archived before", "archived by nobody"])
async def test_runs_whose_month_is_half_forgotten_are_not_archived_with_less(
    engine: AsyncEngine, tmp_path: Path, noted: bool
) -> None:
    """Only their rows are left, without steps and events: they are forgotten, and the archive stays as it was."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    await SqlRunKeeping(engine).prepare_months()
    await end(engine, await begin(engine))
    evidence, place = EvidenceStore(str(tmp_path / "evidence")), EvidenceStore(str(tmp_path / "archive"))
    archive = Archive(place, SqlRunReader(engine, Chains()))
    from_then = -(months.month_of(datetime.now(UTC), 1) - datetime.now(UTC)).total_seconds() - 60

    async def forgotten(keeping: SqlRunKeeping, archive: Archive | None) -> int:
        return await forget_old_runs(keeping=keeping, evidence=evidence, keep_seconds=from_then, archive=archive)

    with pytest.raises(Unavailable):
        await forgotten(Stopped(engine), archive if noted else None)
    assert await exists(engine, "attempts_first") is None
    before = {path.name: path.read_bytes() for path in (tmp_path / "archive").rglob("*.*")}
    assert len(before) == (2 if noted else 0)
    assert await forgotten(SqlRunKeeping(engine), archive) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "archive").rglob("*.*")} == before


@pytest.mark.req("IR-7")
async def test_after_a_restore_no_position_of_an_event_is_given_out_again(engine: AsyncEngine) -> None:
    """With the statement that the how-to of backups tells to run."""
    await migrate(engine, service="orchestrator", migrations=MIGRATIONS)
    await begin(engine)
    [statement] = re.findall(r"^SELECT setval.*;$", BACKUP.read_text(), re.MULTILINE)
    async with writing(engine) as connection:
        before = await connection.scalar(sa.select(sa.func.max(events.c.position)))
        await connection.execute(sa.text(statement))
    run_id = await begin(engine)
    async with reading(engine) as connection:
        first = await connection.scalar(sa.select(sa.func.min(events.c.position)).where(events.c.run_id == run_id))
    assert before is not None
    assert first == before + 100_000_001
