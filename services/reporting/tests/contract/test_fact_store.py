"""What every store of facts must do, on PostgreSQL and SQLite."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
import sqlalchemy as sa
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.schedules import ScheduleMissed
from steptrail_reporting.adapters.schema import metadata
from steptrail_reporting.adapters.sql import SqlFactStore
from steptrail_reporting.domain.facts import RunFacts, apply, new_run
from steptrail_reporting.domain.figures import process_figures
from steptrail_reporting.domain.period import Period
from steptrail_reporting.domain.process import RECENT_RUNS, Ended, ProcessFacts
from steptrail_reporting.domain.rollup import contributions
from steptrail_reporting.handlers import record
from steptrail_reporting.ports import Position, RunFilter
from steptrail_reporting.queries import export_runs, figures, grid, list_runs, overview, process_states, trend

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATUSES = ["success", "warning", "failed", "stuck", "error", "not_yet", "timeout", "cancelled"]
Story = Callable[..., list[RunEvent]]


def _runs(story: Story, process_id: str, chance: random.Random, count: int) -> list[list[RunEvent]]:
    """Some runs over three days, ending close to each other and to midnight."""
    moments = [NOON + timedelta(minutes=chance.randrange(3 * 24 * 60)) for _ in range(count)]
    return [
        story(
            f"{process_id}-{number:02}",
            process_id=process_id,
            status=chance.choice(STATUSES),
            at=moment,
            key=str(number),
            trigger=chance.choice(["manual", "schedule"]),
            retries=chance.randrange(3),
            step_seconds=chance.uniform(0.01, 30),
        )
        for number, moment in enumerate(moments)
    ]


def _facts(events: Sequence[RunEvent]) -> RunFacts:
    run = new_run(events[0])
    for event in events:
        apply(run, event)
    return run


def _batches(events: list[RunEvent], chance: random.Random) -> list[list[RunEvent]]:
    cuts = sorted(chance.sample(range(1, len(events)), 4))
    return [events[start:stop] for start, stop in pairwise([0, *cuts, len(events)])]


@pytest.mark.req("IR-9")
@pytest.mark.parametrize("seed", range(12))
async def test_any_order_of_events_gives_the_facts_of_a_recomputation(
    store: SqlFactStore, story: Story, seed: int
) -> None:
    """Events shuffled, repeated and cut into batches: runs, states and figures equal those counted from scratch."""
    chance = random.Random(seed)
    process_id = f"p{seed}"
    told = _runs(story, process_id, chance, 12)
    events = [event for run in told for event in run]
    arrived = events + chance.choices(events, k=20)
    chance.shuffle(arrived)
    for batch in _batches(arrived, chance):
        await record(batch, store=store)

    expected = [_facts(run) for run in told]
    await _assert_state(store, process_id, expected)
    await _assert_figures(store, process_id, expected, chance)


async def _assert_state(store: SqlFactStore, process_id: str, expected: list[RunFacts]) -> None:
    ended = sorted(Ended(run.ended_at, run.run_id, run.status) for run in expected if run.ended_at)
    judged = [end for end in ended if end.status != "cancelled"]
    streak = [end for end in judged if all(later.status == judged[-1].status for later in judged if later >= end)]
    (state,) = await process_states([process_id], store=store)
    assert state.running == 0
    assert state.recent == [(end.run_id, end.status) for end in ended[-RECENT_RUNS:]]
    assert (state.last_run_id, state.last_run_at) == (judged[-1].run_id, judged[-1].ended_at)
    assert state.since == streak[0].ended_at
    last = next(run for run in expected if run.run_id == state.last_run_id)
    assert (state.last_key, state.last_verdict) == (last.key, last.verdict)


async def _assert_figures(
    store: SqlFactStore, process_id: str, expected: list[RunFacts], chance: random.Random
) -> None:
    for _ in range(4):
        since = NOON + timedelta(minutes=chance.randrange(2 * 24 * 60))
        period = Period(since, since + timedelta(minutes=chance.randrange(1, 3 * 24 * 60)))
        inside = [run for run in expected if run.ended_at and period.since <= run.ended_at < period.until]
        counted: Counter[tuple[str, str, int]] = Counter()
        for run in inside:
            for cell, count in contributions(run).items():
                counted[cell.scope, cell.measure, cell.bucket] += count
        assert await store.tallies(process_id, period) == dict(counted)
        every = [Ended(run.ended_at, run.run_id, run.status) for run in expected if run.ended_at]
        recomputed = process_figures(
            process_id, period, counted, [end for end in every if end.ended_at < period.until], {}, {}
        )
        marked = await store.changes(process_id, period, before=200)
        stored = process_figures(process_id, period, counted, marked, {}, {})
        assert stored.mean_time_to_recover_seconds == recomputed.mean_time_to_recover_seconds


async def test_replicas_that_record_at_the_same_time_lose_nothing(store: SqlFactStore, story: Story) -> None:
    """Batches of one process, recorded concurrently with overlaps, count every event once."""
    chance = random.Random(1)
    told = _runs(story, "busy", chance, 10)
    events = [event for run in told for event in run] * 2
    chance.shuffle(events)
    await asyncio.gather(*(record(events[start::6], store=store) for start in range(6)))
    await _assert_state(store, "busy", [_facts(run) for run in told])
    await _assert_figures(store, "busy", [_facts(run) for run in told], chance)


async def test_a_failed_batch_leaves_nothing(store: SqlFactStore, story: Story) -> None:
    """The transaction is all or nothing, so the delivery can be repeated."""

    async def failing() -> None:
        async with store.recording(process_ids=["p"], run_ids=["r"]) as recording:
            await recording.save_runs([_facts(story("r", process_id="p"))], {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await store.processes(["p"]) == {}
    assert await store.runs(RunFilter(), after=None, limit=9) == []


async def test_open_runs_are_counted_while_they_are_open(store: SqlFactStore, story: Story) -> None:
    """Queued and running ones; a run known to have ended is not open even if its beginning arrives later."""
    first, second = story("r1"), story("r2")
    await record([*first[:2], second[-1]], store=store)
    assert (await process_states(["order-to-cash"], store=store))[0].running == 1
    await record([*first[2:], *second], store=store)
    assert (await process_states(["order-to-cash"], store=store))[0].running == 0


@pytest.mark.req("FR-019")
async def test_history_is_filtered(store: SqlFactStore, story: Story) -> None:
    """Every filter alone and together; times are inclusive and exclusive."""
    hour = timedelta(hours=1)
    await record(story("r1", status="failed", key="4711", trigger="api"), store=store)
    await record(story("r2", at=NOON + hour, key="4712"), store=store)
    await record(story("r3", at=NOON + 2 * hour, process_id="other", key="50%_off", initiated_by="bob"), store=store)

    async def found(**wanted: object) -> list[str]:
        runs = await store.runs(RunFilter(**wanted), after=None, limit=10)  # type: ignore[arg-type]
        return [run.run_id for run in runs]

    assert await found() == ["r3", "r2", "r1"]
    assert await found(process_ids=("order-to-cash",)) == ["r2", "r1"]
    assert await found(statuses=("failed", "stuck")) == ["r1"]
    assert await found(key="4712") == ["r2"]
    assert await found(trigger="api") == ["r1"]
    assert await found(initiated_by="bob") == ["r3"]
    assert await found(since=NOON + hour, until=NOON + 2 * hour) == ["r2"]
    assert await found(text="FAILED OF") == ["r1"]
    assert await found(text="0%_o") == ["r3"]
    assert await found(text="%") == ["r3"]
    assert await found(key="4711", statuses=("success",)) == []


@pytest.mark.req("FR-019")
async def test_pages_hold_every_run_once(store: SqlFactStore, story: Story) -> None:
    """Also when many runs were queued at the same moment, and while new ones arrive."""
    for number in range(23):
        await record(story(f"r{number:02}", at=NOON + timedelta(seconds=number // 10)), store=store)
    seen: list[str] = []
    after: Position | None = None
    while True:
        page, after = await list_runs(RunFilter(), after=after, limit=5, store=store)
        seen += [run.run_id for run in page]
        await record(story(f"new-{uuid4()}", at=NOON + timedelta(hours=1)), store=store)
        if after is None:
            break
    assert seen == sorted((f"r{number:02}" for number in range(23)), reverse=True)


async def test_an_export_reads_all_pages(store: SqlFactStore, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the history."""
    monkeypatch.setattr("steptrail_reporting.queries.EXPORT_PAGE", 2)
    for number in range(5):
        await record(story(f"r{number}", at=NOON + timedelta(seconds=number)), store=store)
    pages = [[run.run_id for run in page] async for page in export_runs(RunFilter(), store=store)]
    assert pages == [["r4", "r3"], ["r2", "r1"], ["r0"]]


@pytest.mark.req("FR-019")
async def test_results_kept_from_the_run_before_are_shown_but_not_counted(store: SqlFactStore, story: Story) -> None:
    """A continued run shows the steps it did not repeat as they were; figures count each result once."""
    await record(story("r1", status="failed"), store=store)
    events = story("r2", at=NOON + timedelta(minutes=5), trigger="recheck", from_run="r1")
    events[0].steps[0] |= {"status": "success", "reused": True}  # type: ignore[index]
    await record([event for event in events if event.step_id != "page"], store=store)
    newest = (await grid("order-to-cash", limit=1, store=store))[0]
    assert (newest.steps, newest.kept) == ({"page": "success", "api": "success"}, ["page"])
    asked = Period(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    tallies = await store.tallies("order-to-cash", asked)
    assert (tallies["page", "status:success", 0], tallies["api", "status:success", 0]) == (1, 1)
    days = Period(NOON.replace(hour=0), NOON.replace(hour=0) + timedelta(days=1))
    assert await store.tallies("order-to-cash", days) == tallies


async def test_the_grid_holds_the_last_runs_with_their_steps(store: SqlFactStore, story: Story) -> None:
    """Newest first; steps not reached are in it as they stand."""
    await record(story("r1", at=NOON - timedelta(hours=1)), store=store)
    await record(story("r2", status="failed", step_seconds=1.5), store=store)
    await record(story("r3", at=NOON + timedelta(hours=1))[:2], store=store)
    columns = await grid("order-to-cash", limit=2, store=store)
    assert [column.run_id for column in columns] == ["r3", "r2"]
    assert columns[1].steps == {"page": "success", "api": "failed"}
    assert columns[1].step_seconds == {"page": 1.5, "api": 1.5}
    assert columns[0].steps == {"page": "pending", "api": "pending"}


def _saved(process_id: str, *, active: bool = True) -> ProcessSaved:
    return ProcessSaved(process_id=process_id, revision=1, name=process_id, active=active, at=NOON, by="ada")


async def test_the_overview_puts_trouble_first_and_pages_through_everything(store: SqlFactStore, story: Story) -> None:
    """Failed before stuck, the oldest trouble first, never run behind trouble, what is fine last; no inactive ones."""
    names = ["fine", "stuck", "new-failure", "old-failure", "never", "off"]
    await record([_saved(name, active=name != "off") for name in names], store=store)
    for name, status, minutes in [("fine", "success", 0), ("stuck", "stuck", 1), ("new-failure", "failed", 9),
                                  ("old-failure", "failed", 2), ("off", "failed", 3)]:  # fmt: skip
        await record(story(name, process_id=name, status=status, at=NOON + timedelta(minutes=minutes)), store=store)
    seen: list[str] = []
    after = None
    for _ in range(3):
        counts, page, after = await overview(after=after, limit=2, store=store)
        seen += [state.process_id for state in page]
    assert seen == ["old-failure", "new-failure", "stuck", "never", "fine"]
    assert after is None
    assert (counts.processes, counts.never_run) == (5, 1)
    assert counts.by_status == {"failed": 2, "stuck": 1, "success": 1}


@pytest.mark.req("FR-019")
async def test_a_trend_tells_day_by_day_what_was_measured(store: SqlFactStore, story: Story) -> None:
    """Days without runs are left out; a step's durations are its own."""
    for number, (days, status) in enumerate([(0, "success"), (0, "failed"), (2, "success")]):
        await record(story(f"r{number}", status=status, at=NOON - timedelta(days=days)), store=store)
    asked = {"since": NOON - timedelta(days=3), "until": NOON + timedelta(hours=1), "now": NOON, "store": store}
    told = await trend("order-to-cash", None, **asked)  # type: ignore[arg-type]
    assert [(day.day.day, day.runs, day.success_rate) for day in told.days] == [(18, 1, 1.0), (20, 2, 0.5)]
    of_step = await trend("order-to-cash", "api", **asked)  # type: ignore[arg-type]
    assert [day.by_status for day in of_step.days] == [{"success": 1}, {"success": 1, "failed": 1}]
    assert of_step.days[0].p50_seconds == pytest.approx(2.0, rel=0.03)


def _missed(days_ago: int, count: int, *, schedule_id: str = "s1", process_id: str = "order-to-cash") -> ScheduleMissed:
    first = NOON - timedelta(days=days_ago)
    return ScheduleMissed(
        process_id=process_id, process_name="Order to cash", schedule_id=schedule_id, tick_at=first,
        until_at=first + timedelta(minutes=count - 1), count=count, reason="late", at=NOON,
    )  # fmt: skip


@pytest.mark.req("FR-024")
async def test_missed_starts_are_counted_once_beside_the_runs(store: SqlFactStore, story: Story) -> None:
    """However often they are told. They are no runs, change no rate, and make no state of the process."""
    await record(story("r1", status="success", at=NOON), store=store)
    told = [_missed(1, 5), _missed(0, 2), _missed(0, 1, schedule_id="s2"), _missed(0, 7, process_id="other")]
    await record([*told, told[0]], store=store)
    await record(told, store=store)
    asked = {"since": NOON - timedelta(days=3), "until": NOON + timedelta(hours=1), "now": NOON, "store": store}
    whole = await trend("order-to-cash", None, **asked)  # type: ignore[arg-type]
    seen = [(day.day.day, day.missed_starts, day.runs, day.success_rate) for day in whole.days]
    assert seen == [(19, 5, 0, None), (20, 3, 1, 1.0)]
    of_step = await trend("order-to-cash", "api", **asked)  # type: ignore[arg-type]
    assert [(day.day.day, day.missed_starts) for day in of_step.days] == [(20, 0)]
    counted = await figures("order-to-cash", **asked)  # type: ignore[arg-type]
    assert (counted.missed_starts, counted.runs, counted.success_rate) == (8, 1, 1.0)
    later = await figures("order-to-cash", **asked | {"since": NOON - timedelta(hours=1)})  # type: ignore[arg-type]
    assert later.missed_starts == 3
    (state,) = await process_states(["other"], store=store)
    assert (state.last_status, state.running) == (None, 0)


async def test_definitions_give_names_and_deletion(store: SqlFactStore) -> None:
    """The latest word stands, whatever the order of arrival."""
    saved = ProcessSaved(
        process_id="p", revision=2, name="New name", at=NOON, by="ada",
        steps=[{"step_id": "page", "number": 1, "name": "Page", "check_type": "web_crawl"}],
    )  # fmt: skip
    older = saved.model_copy(update={"name": "Old name", "at": NOON - timedelta(days=1), "steps": []})
    await record([ProcessDeleted(process_id="p", at=NOON - timedelta(hours=1), by="ada"), saved, older], store=store)
    known: ProcessFacts = (await store.processes(["p"]))["p"]
    assert (known.name, known.deleted, known.steps["page"].name) == ("New name", False, "Page")
    await record([ProcessDeleted(process_id="p", at=NOON + timedelta(hours=1), by="ada")], store=store)
    assert (await store.processes(["p"]))["p"].deleted


async def test_two_hundred_states_are_one_query(store: SqlFactStore, story: Story) -> None:
    """The overview asks for a page of processes at once; unknown ones are all null."""
    for number in range(3):
        await record(story(f"r{number}", process_id=f"p{number}"), store=store)
    statements: list[str] = []
    sa.event.listen(store._engine.sync_engine, "before_cursor_execute", lambda *about: statements.append(about[2]))
    states = await process_states([f"p{number}" for number in range(200)], store=store)
    assert len([text for text in statements if text.startswith("SELECT")]) == 1
    assert [state.last_status for state in states[:4]] == ["success", "success", "success", None]


async def test_migrations_make_the_declared_schema(store: SqlFactStore) -> None:
    """A table or column that only one of both knows would show here; running them again changes nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def here(_item: object, name: str | None, *_: object) -> bool:
        return name != "ix_runs_search" or store._engine.dialect.name == "postgresql"

    await store.start()
    options = {"version_table": "alembic_reporting", "include_object": here}
    async with store._engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=options), metadata)
        )
    assert found == []


async def test_free_search_reads_an_index(store: SqlFactStore) -> None:
    """PostgreSQL finds a word anywhere in a text without reading every run. SQLite, for one laptop, reads them."""
    if store._engine.dialect.name != "postgresql":
        pytest.skip("SQLite reads every run")
    async with store._engine.connect() as connection:
        await connection.execute(sa.text("SET enable_seqscan = off"))
        rows = await connection.execute(sa.text("EXPLAIN SELECT run_id FROM runs WHERE search LIKE '%4711%'"))
        assert "ix_runs_search" in " ".join(str(row[0]) for row in rows)


async def test_what_a_run_is_called_does_not_depend_on_order(store: SqlFactStore, story: Story) -> None:
    """Replaced facts stay equal when a step is told again."""
    events = story("r1")
    await record(list(reversed(events)), store=store)
    (column,) = await store.last_runs("order-to-cash", 1)
    assert replace(column, status_changed=False) == replace(_facts(events), status_changed=False)
