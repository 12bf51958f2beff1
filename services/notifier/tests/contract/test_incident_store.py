"""Incidents on PostgreSQL and SQLite: one per root cause, however the ends of runs come."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.events import CloudEvent, envelope, read_events
from steptrail_common.contracts.incidents import IncidentSummary
from steptrail_common.contracts.notifier import RuleWrite
from steptrail_common.contracts.orchestrator import RunEvent, StepEnd
from steptrail_common.database import reading
from steptrail_common.errors import Conflict, NotFound
from steptrail_notifier.adapters.schema import outbox
from steptrail_notifier.adapters.sql import SqlNotifierStore
from steptrail_notifier.handlers import acknowledge, forget_unseen, resolve, take, unacknowledge
from steptrail_notifier.ports import Channel, DeliveryFilter, IncidentFilter

Ended = Callable[..., tuple[CloudEvent, RunEvent]]
Told = tuple[CloudEvent, RunEvent]


@pytest.fixture
def run(ended: Ended) -> Callable[..., Told]:
    """The end of a run with two steps: the shop, then the ERP. `wrong`: of which step what was found."""

    def make(run_id: str, wrong: tuple[int, str, str] | None = None, **how: Any) -> Told:
        event, told = ended(run_id, how.pop("status", "success" if wrong is None else wrong[2]), **how)
        if wrong is None:
            return event, told
        number, failure, status = wrong
        ends = [
            StepEnd(step_id="shop", number=1, name="Shop", status="success"),
            StepEnd(step_id="erp", number=2, name="ERP", status="success"),
        ]
        ends[number - 1] = StepEnd(
            step_id=ends[number - 1].step_id, number=number, name=ends[number - 1].name,
            status={"stuck": "overdue"}.get(status, status), failure_class=failure, message=f"{failure} found",
            first_aid="Look first.", host="shop.test:443" if number == 1 else "db.test:5432",
            connection_id=None if number == 1 else "erp",
        )  # fmt: skip
        if number == 1:
            ends[1] = StepEnd(step_id="erp", number=2, name="ERP", status="skipped")
        told = told.model_copy(update={"ends": ends})
        return event.model_copy(update={"data": told.model_dump(mode="json", exclude_none=True)}), told

    return make


ERP_DOWN = (2, "connect", "failed")
SHOP_WRONG = (1, "assertion", "failed")


async def listed(store: SqlNotifierStore, *states: Any, **wanted: Any) -> list[IncidentSummary]:
    found = await store.incidents(IncidentFilter(frozenset(states), **wanted), after=None, limit=99)
    return [one for _, one in found]


async def only(store: SqlNotifierStore) -> IncidentSummary:
    (found,) = await listed(store)
    return found


async def told(store: SqlNotifierStore) -> list[str]:
    """The events in the outbox, as a consumer reads them."""
    async with reading(store.engine) as connection:
        bodies = await connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.id))
        return [event.name for body in bodies for event, _ in read_events(bytes(body))]


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("IR-8")
async def test_many_runs_with_one_cause_are_one_incident(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """Over keys and processes; repeated events count once."""
    ends = [run("r1", ERP_DOWN, key="1"), run("r2", ERP_DOWN, key="2"), run("r3", ERP_DOWN, process_id="q", key="9")]
    await take(ends[:1], store=store)
    await take(ends, store=store)
    await take(ends, store=store)
    shown = await only(store)
    assert (shown.title, shown.state, shown.runs, shown.keys_open) == ("db.test:5432 cannot be reached", "open", 3, 3)
    assert [(one.process_id, one.keys, one.keys_open) for one in shown.processes] == [("p", 2, 2), ("q", 1, 1)]
    assert (shown.status, shown.failure_class, shown.message) == ("failed", "connect", "connect found")
    whole = await store.incident(shown.incident_id)
    assert (whole.first_aid, [line.what for line in whole.timeline]) == ("Look first.", ["opened"])
    keys = await store.incident_keys(shown.incident_id, open_only=True, process_id="p", after=None, limit=9)
    assert [(one.key, one.last_run_id, one.step_name) for one in keys] == [("1", "r1", "ERP"), ("2", "r2", "ERP")]
    assert await told(store) == ["incident.opened", "incident.changed"]


@pytest.mark.req("IR-8")
async def test_it_is_over_when_every_key_has_passed(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """Not before; a run that never came to the step, or was cancelled, shows nothing."""
    await take([run("a1", ERP_DOWN, key="1"), run("b1", ERP_DOWN, key="2")], store=store)
    await take([run("a2", key="1", minute=1)], store=store)
    assert ((await only(store)).keys_open, (await only(store)).state) == (1, "open")
    await take([run("b2", SHOP_WRONG, key="2", minute=2)], store=store)
    await take([run("b3", key="2", minute=3, status="cancelled")], store=store)
    assert [one.kind for one in await listed(store, "open")] == ["step", "target"]
    later = run("b4", (1, "assertion", "not_yet"), key="2", minute=4)
    assert later[1].ends is not None
    await take([run("b5", key="2", minute=5)], store=store)
    assert await listed(store, "open", "acknowledged") == []
    over = await listed(store, "resolved")
    assert [(one.resolved_by, one.keys_open) for one in over] == [(None, 0), (None, 0)]
    (last,) = (await store.incident(over[0].incident_id)).timeline[:1]
    assert (last.what, last.run_id, last.by) == ("resolved", "b5", None)


async def test_a_run_that_fails_further_on_has_passed_the_step(
    store: SqlNotifierStore, run: Callable[..., Told]
) -> None:
    """The shop is well again, now the ERP is away: one incident ends, another begins."""
    await take([run("r1", SHOP_WRONG)], store=store)
    await take([run("r2", ERP_DOWN, minute=1)], store=store)
    assert [one.last_step_id for one in await listed(store, "open")] == ["erp"]
    assert [one.last_step_id for one in await listed(store, "resolved")] == ["shop"]


@pytest.mark.req("IR-8")
async def test_what_comes_back_soon_is_the_same_incident(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """Within an hour it opens again, still in the same hands; later it is another one."""
    await take([run("r1", ERP_DOWN)], store=store)
    first = await only(store)
    await acknowledge(first.incident_id, "ada", "looking", store=store)
    await take([run("r2", minute=1)], store=store)
    await take([run("r3", ERP_DOWN, minute=60)], store=store)
    again = await only(store)
    assert (again.incident_id, again.openings, again.state) == (first.incident_id, 2, "acknowledged")
    await take([run("r4", minute=61)], store=store)
    await take([run("r5", ERP_DOWN, minute=122)], store=store)
    assert [(one.openings, one.state, one.runs) for one in await listed(store)] == [(1, "open", 1), (2, "resolved", 2)]
    whole = await store.incident(first.incident_id)
    assert [line.what for line in whole.timeline] == ["resolved", "reopened", "resolved", "acknowledged", "opened"]


@pytest.mark.req("IR-8")
@pytest.mark.parametrize("seed", range(6))
async def test_order_repetition_and_replicas_change_nothing(
    store: SqlNotifierStore, run: Callable[..., Told], seed: int
) -> None:
    """Two processes, three keys; shuffled, doubled, and taken by three replicas at the same time."""
    chance = random.Random(seed)
    ends = [
        run("a1", ERP_DOWN, key="1", minute=1), run("a2", ERP_DOWN, key="1", minute=2), run("a3", key="1", minute=3),
        run("b1", ERP_DOWN, key="2", minute=1), run("b2", key="2", minute=2), run("b3", ERP_DOWN, key="2", minute=4),
        run("c1", key="3", minute=1, process_id="q"), run("c2", ERP_DOWN, key="3", minute=5, process_id="q"),
    ] * 2  # fmt: skip
    chance.shuffle(ends)
    batches = [ends[at : at + 3] for at in range(0, len(ends), 3)]
    for at in range(0, len(batches), 3):
        await asyncio.gather(*(take(batch, store=store) for batch in batches[at : at + 3]))
    shown = await only(store)
    assert (shown.state, shown.runs, shown.keys_open) == ("open", 5, 2)
    keys = await store.incident_keys(shown.incident_id, open_only=False, process_id=None, after=None, limit=9)
    assert [(one.key, one.runs, one.cleared_run_id) for one in keys] == [("1", 2, "a3"), ("2", 2, None), ("3", 1, None)]


async def test_replicas_open_one_incident_for_a_cause(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """Different processes, so that nothing but the cause holds them back."""
    ends = [run(f"r{number}", ERP_DOWN, process_id=f"p{number}") for number in range(8)]
    await asyncio.gather(*(take([end], store=store) for end in ends))
    shown = await only(store)
    assert (shown.runs, shown.keys_open, shown.process_count) == (8, 8, 8)


async def test_a_process_without_incident_asks_the_database_nothing_more(
    store: SqlNotifierStore, run: Callable[..., Told]
) -> None:
    """Runs that pass cost no statement about incidents: the process itself says whether it may stand in one."""
    statements: list[str] = []
    sa.event.listen(
        store.engine.sync_engine, "before_cursor_execute", lambda _c, _u, text, *_more: statements.append(text)
    )
    await take([run("r1"), run("r2", process_id="q")], store=store)
    assert [text for text in statements if "incident" in text] == []
    await take([run("r3", ERP_DOWN, minute=1)], store=store)
    await take([run("r4", minute=2)], store=store)
    await take([run("r5", minute=3)], store=store)
    statements.clear()
    await take([run("r6", minute=4)], store=store)
    assert [text for text in statements if "incident" in text] == []


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("IR-8")
async def test_somebody_takes_it_in_hand_and_gives_it_back(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """With a note, kept in the timeline."""
    await take([run("r1", ERP_DOWN)], store=store)
    incident_id = (await only(store)).incident_id
    shown = await acknowledge(incident_id, "ada", "calling the DBA", store=store)
    assert (shown.state, shown.acknowledged_by, shown.note) == ("acknowledged", "ada", "calling the DBA")
    assert await store.incident_counts() == (0, 1)
    assert (await unacknowledge(incident_id, "ada", None, store=store)).state == "open"
    with pytest.raises(Conflict, match="nobody"):
        await unacknowledge(incident_id, "ada", None, store=store)
    with pytest.raises(NotFound):
        await acknowledge("0", "ada", None, store=store)
    assert await store.incident_counts() == (1, 0)
    assert await told(store) == ["incident.opened", "incident.acknowledged", "incident.unacknowledged"]


@pytest.mark.req("IR-8")
async def test_resolved_by_hand_it_stays_so_until_a_newer_run_fails(
    store: SqlNotifierStore, run: Callable[..., Told], clock: Any
) -> None:
    """A key that nobody checks again is let go; one that fails again says that it was not over."""
    await take([run("r1", ERP_DOWN, key="1"), run("r2", ERP_DOWN, key="2")], store=store)
    incident_id = (await only(store)).incident_id
    clock.forward(minutes=10)
    done = await resolve(incident_id, "ada", "the key was deleted", store=store)
    assert (done.state, done.resolved_by, done.keys_open) == ("resolved", "ada", 0)
    assert (done.timeline[0].what, done.timeline[0].note) == ("resolved", "the key was deleted")
    for deed in (acknowledge, unacknowledge, resolve):
        with pytest.raises(Conflict, match="resolved"):
            await deed(incident_id, "ada", None, store=store)
    await take([run("late", ERP_DOWN, key="3", minute=9)], store=store)
    assert ((await only(store)).state, (await only(store)).runs) == ("resolved", 3)
    await take([run("r4", ERP_DOWN, key="1", minute=11)], store=store)
    assert ((await only(store)).state, (await only(store)).keys_open) == ("open", 1)


async def test_keys_that_nobody_checks_any_more_are_let_go(
    store: SqlNotifierStore, run: Callable[..., Told], clock: Any
) -> None:
    """At once when their process is deleted; after 35 days without a run."""
    await take([run("r1", ERP_DOWN), run("r2", ERP_DOWN, process_id="q")], store=store)
    gone = ProcessDeleted(process_id="q", at=clock.now() + timedelta(hours=1), by="ada")
    wrapped = envelope("process.deleted", gone, source="catalog", identity=("q",), at=gone.at, subject="q")
    await take([(wrapped, gone)], store=store)
    assert (await only(store)).keys_open == 1
    clock.forward(days=34)
    assert await forget_unseen(store=store) == 0
    clock.forward(days=2)
    assert await forget_unseen(store=store) == 1
    shown = await only(store)
    keys = await store.incident_keys(shown.incident_id, open_only=False, process_id=None, after=None, limit=9)
    assert (shown.state, [one.cleared_by for one in keys]) == ("resolved", ["unseen", "deleted"])


async def test_tidying_drops_what_was_over_long_ago(
    store: SqlNotifierStore, run: Callable[..., Told], clock: Any
) -> None:
    """After 90 days; what is open stays."""
    await take([run("r1", ERP_DOWN), run("r2", minute=1), run("r3", SHOP_WRONG, key="8")], store=store)
    clock.forward(days=91)
    await store.tidy()
    assert [one.kind for one in await listed(store)] == ["step"]


# --- lists -----------------------------------------------------------------------------------------------------------


async def test_the_list_begins_with_what_waits_for_somebody(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """Then what is in hand, then what is over; page by page; filtered by process."""
    names = ["a", "b", "c", "d", "e"]
    for minute, name in enumerate(names):
        status = "error" if name == "e" else "failed"
        await take([run(name, (1, "assertion", status), process_id=name, minute=minute)], store=store)
    by_process = {one.last_process_id: one.incident_id for one in await listed(store)}
    await acknowledge(by_process["d"], "ada", None, store=store)
    await take([run("a2", process_id="a", minute=9)], store=store)
    shown: list[str] = []
    after = None
    while page := await store.incidents(IncidentFilter(), after=after, limit=2):
        shown += [one.last_process_id for _, one in page]
        after = page[-1][0]
    assert shown == ["c", "b", "e", "d", "a"]
    assert [one.last_process_id for one in await listed(store, "acknowledged", "resolved")] == ["d", "a"]
    assert [one.last_process_id for one in await listed(store, process_id="b")] == ["b"]
    found = await store.incidents_of(["a", "b", "d", "nobody"])
    assert {one.process_id: one.state for one in found} == {"b": "open", "d": "acknowledged"}


# --- messages --------------------------------------------------------------------------------------------------------


def _rule(rule_id: str = "ops", *on: str, **more: Any) -> RuleWrite:
    return RuleWrite(
        rule_id=rule_id, channel_id="hook", on=list(on or ("incident_opened", "incident_resolved")), **more
    )


async def _channel(store: SqlNotifierStore) -> None:
    now = await store.now()
    await store.add_channel(Channel("hook", "Hook", "https://hooks.example.com/", "sealed", True, now, now))


async def _messages(store: SqlNotifierStore) -> list[str]:
    found = await store.deliveries(DeliveryFilter(), after=None, limit=99)
    return [one.moment for one in sorted(found, key=lambda one: (one.created_at, one.moment))]


@pytest.mark.req("IR-8")
async def test_an_incident_is_one_message_however_many_runs_and_rules(
    store: SqlNotifierStore, run: Callable[..., Told]
) -> None:
    """And one when it is over; the message is the event, and says which incident it is about."""
    await _channel(store)
    await store.add_rule(_rule("ops"))
    await store.add_rule(_rule("also"))
    saved = ProcessSaved(process_id="q", revision=1, name="Q", at=await store.now() - timedelta(days=1), by="ada",
                         notify=[{"channel": "hook", "on": ["incident_opened"]}])  # fmt: skip
    await take([(envelope("process.saved", saved, source="catalog", identity=("q",), at=saved.at, subject="q"), saved)],
               store=store)  # fmt: skip
    ends = [run(f"r{number}", ERP_DOWN, key=str(number)) for number in range(5)]
    assert await take(ends, store=store) == 1
    assert await take([run("r9", ERP_DOWN, process_id="q")], store=store) == 0
    passes = [run(f"s{number}", key=str(number), minute=1) for number in range(5)]
    assert await take([*passes, run("s9", process_id="q", minute=1)], store=store) == 1
    assert await _messages(store) == ["incident_opened", "incident_resolved"]
    claimed = await store.claim(limit=9, per_channel=9, busy=[], lease_seconds=30)
    bodies = [json.loads(one.body) for one in claimed]
    assert {one["type"] for one in bodies} == {
        "io.steptrail.incident.opened.v1", "io.steptrail.incident.resolved.v1"
    }  # fmt: skip
    assert {one["data"]["incident_id"] for one in bodies} == {(await only(store)).incident_id}


@pytest.mark.req("IR-8")
async def test_an_acknowledged_incident_is_silent(
    store: SqlNotifierStore, run: Callable[..., Told], clock: Any
) -> None:
    """It reminds nobody, neither as an incident nor by its runs; given back, it does again."""
    await _channel(store)
    await store.add_rule(_rule("incidents", "incident_opened", "incident_resolved", remind_every="1h"))
    await store.add_rule(_rule("runs", "failed", remind_every="1h"))
    assert await take([run("r1", ERP_DOWN)], store=store) == 2
    incident_id = (await only(store)).incident_id
    await acknowledge(incident_id, "ada", None, store=store)
    clock.forward(hours=2)
    assert await take([run("r2", ERP_DOWN, minute=120)], store=store) == 0
    await unacknowledge(incident_id, "ada", None, store=store)
    clock.forward(hours=2)
    assert await take([run("r3", ERP_DOWN, minute=240)], store=store) == 2
    assert await take([run("r4", ERP_DOWN, minute=241)], store=store) == 0
    await resolve(incident_id, "ada", None, store=store)
    assert (await _messages(store))[-1] == "incident_resolved"


async def test_a_rule_may_wait_for_several_runs(store: SqlNotifierStore, run: Callable[..., Told]) -> None:
    """`after_failures` counts the runs that met the cause; what was not told is not told to be over."""
    await _channel(store)
    await store.add_rule(_rule(after_failures=3))
    assert await take([run("r1", ERP_DOWN), run("r2", ERP_DOWN, minute=1)], store=store) == 0
    assert await take([run("r3", minute=2)], store=store) == 0
    assert await take([run("r4", ERP_DOWN, minute=200), run("r5", ERP_DOWN, minute=201)], store=store) == 0
    assert await take([run("r6", ERP_DOWN, minute=202)], store=store) == 1
    assert await take([run("r7", minute=203)], store=store) == 1
