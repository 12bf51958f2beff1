"""What every store of the notifier must do, on PostgreSQL and SQLite."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.events import CloudEvent, dedup_id, envelope
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.contracts.notifier import RuleWrite
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import Conflict, InvalidInput, NotFound
from steptrail_notifier.adapters.schema import metadata
from steptrail_notifier.adapters.sql import SqlNotifierStore
from steptrail_notifier.domain.delivery import Attempt, Step
from steptrail_notifier.handlers import LEASE_SECONDS, take
from steptrail_notifier.ports import Channel, Claimed, DeliveryFilter, NewDelivery

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVERYTHING = DeliveryFilter()
Ended = Callable[..., tuple[CloudEvent, RunEvent]]
DELIVERED = (Attempt(200), Step("delivered", None, None))


def _channel(channel_id: str = "hook", **more: Any) -> Channel:
    given: dict[str, Any] = {
        "name": "Hook",
        "url": "https://hooks.example.com/",
        "sealed_key": "sealed",
        "active": True,
    } | more
    return Channel(channel_id=channel_id, created_at=NOON, updated_at=NOON, **given)


def _rule(rule_id: str = "ops", *on: str, **more: Any) -> RuleWrite:
    return RuleWrite(rule_id=rule_id, **({"channel_id": "hook", "on": list(on or ("failed", "recovered"))} | more))


def _saved(at: datetime, *rules: dict[str, Any], category: str | None = None) -> tuple[CloudEvent, ProcessSaved]:
    fact = ProcessSaved(process_id="p", revision=1, name="P", category=category, notify=list(rules), at=at, by="ada")
    return envelope("process.saved", fact, source="catalog", identity=("p", at), at=at, subject="p"), fact


def _delivery(delivery_id: str, channel_id: str = "hook") -> NewDelivery:
    return NewDelivery(delivery_id, channel_id, "ops", f"run-{delivery_id}", "p", "failed", "{}")


async def _queue(store: SqlNotifierStore, *deliveries: NewDelivery) -> None:
    async with store.recording(["p"]) as recording:
        for delivery in deliveries:
            await recording.queue(delivery)


async def _claim(store: SqlNotifierStore, **how: Any) -> list[Claimed]:
    usual: dict[str, Any] = {"limit": 100, "per_channel": 100, "busy": [], "lease_seconds": 30.0}
    return await store.claim(**(usual | how))


async def _told(store: SqlNotifierStore) -> list[tuple[str | None, str]]:
    found = await store.deliveries(EVERYTHING, after=None, limit=200)
    return sorted((one.run_id, one.moment) for one in found)


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("IR-8")
async def test_a_rule_makes_one_delivery_however_often_the_event_comes(store: SqlNotifierStore, ended: Ended) -> None:
    """The delivery's id comes from run, rule and moment: a repeated event makes nothing new."""
    await store.add_channel(_channel())
    await store.add_rule(_rule())
    assert await take([ended("r1"), ended("r1")], store=store) == 1
    assert await take([ended("r1")], store=store) == 0
    assert await take([ended("r2", "success", minute=1)], store=store) == 1
    assert await _told(store) == [("r1", "failed"), ("r2", "recovered")]
    made = {one.delivery_id for one in await store.deliveries(EVERYTHING, after=None, limit=9)}
    expected = {("r1", "failed"), ("r2", "recovered")}
    assert made == {dedup_id("delivery", run_id, "ops", moment) for run_id, moment in expected}


@pytest.mark.req("IR-8")
async def test_filters_choose_process_and_category(store: SqlNotifierStore, ended: Ended) -> None:
    """A rule for another process or category stays silent; the category is that of the definition."""
    await store.add_channel(_channel())
    await store.add_rule(_rule("other", process_id="q"))
    await store.add_rule(_rule("sales", category="sales"))
    await store.add_rule(_rule("off", active=False))
    await take([_saved(NOON - timedelta(days=1), category="sales")], store=store)
    await take([ended("r1"), ended("r2", process_id="elsewhere")], store=store)
    found = await store.deliveries(EVERYTHING, after=None, limit=9)
    assert [(one.rule_id, one.run_id) for one in found] == [("sales", "r1")]


@pytest.mark.req("IR-8")
async def test_the_definitions_own_rules_count(store: SqlNotifierStore, ended: Ended) -> None:
    """As long as the process has them; the newest definition stands, and none does after deletion."""
    await store.add_channel(_channel())
    rule = {"channel": "hook", "on": ["failed"], "after_failures": 2, "remind_every": "4h"}
    await take([_saved(NOON, rule), _saved(NOON - timedelta(hours=1))], store=store)
    await take([ended("r1", minute=1), ended("r2", minute=2)], store=store)
    assert await _told(store) == [("r2", "failed")]
    gone = ProcessDeleted(process_id="p", at=NOON + timedelta(hours=1), by="ada")
    wrapped = envelope("process.deleted", gone, source="catalog", identity=("p",), at=gone.at, subject="p")
    await take([(wrapped, gone)], store=store)
    assert await take([ended("r3", minute=600)], store=store) == 0


async def test_a_definition_that_arrives_after_its_run_still_counts(store: SqlNotifierStore, ended: Ended) -> None:
    """Messages may overtake each other; runs from before the definition are not told."""
    await store.add_channel(_channel())
    await take([ended("old", minute=-5, key="1"), ended("r1", minute=5, key="2")], store=store)
    await take([_saved(NOON, {"channel": "hook", "on": ["failed"]})], store=store)
    assert await _told(store) == [("r1", "failed")]


async def test_an_unknown_channel_is_shown_and_an_inactive_one_is_silent(store: SqlNotifierStore, ended: Ended) -> None:
    """A misspelt channel in a definition must not be a silence."""
    await store.add_channel(_channel("quiet", active=False))
    rules = [{"channel": "opps", "on": ["failed"]}, {"channel": "quiet", "on": ["failed"]}]
    await take([_saved(NOON - timedelta(days=1), *rules), ended("r1")], store=store)
    (shown,) = await store.deliveries(EVERYTHING, after=None, limit=9)
    assert (shown.status, shown.last_error) == ("undelivered", "there is no channel opps")
    assert await _claim(store) == []


@pytest.mark.parametrize("seed", range(5))
async def test_replicas_and_disorder_make_the_same_deliveries(store: SqlNotifierStore, ended: Ended, seed: int) -> None:
    """Two replicas take shuffled, repeated events at the same time: no streak untold, nothing told twice."""
    chance = random.Random(seed)
    await store.add_channel(_channel())
    await store.add_rule(_rule("all", "finished"))
    await store.add_rule(_rule("ops"))
    statuses = ["failed", "failed", "success", "failed", "success"]
    events = [ended(f"r{number}", status, minute=number) for number, status in enumerate(statuses)] * 2
    chance.shuffle(events)
    await asyncio.gather(*(take(events[start::3], store=store) for start in range(3)))
    told = await _told(store)
    assert [run for run, moment in told if moment == "finished"] == [f"r{number}" for number in range(5)]
    assert [run for run, moment in told if moment == "recovered"] == ["r2", "r4"]
    failures = {run for run, moment in told if moment == "failed"}
    assert "r3" in failures
    assert failures & {"r0", "r1"}


# --- sending ---------------------------------------------------------------------------------------------------------


async def test_replicas_never_claim_the_same_delivery(store: SqlNotifierStore) -> None:
    """Concurrent claims share the due ones out."""
    await store.add_channel(_channel())
    await _queue(store, *(_delivery(f"d{number:02}") for number in range(40)))
    taken = await asyncio.gather(*(_claim(store, limit=10) for _ in range(8)))
    ids = [one.delivery_id for claimed in taken for one in claimed]
    while more := await _claim(store, limit=10):
        ids += [one.delivery_id for one in more]
    assert sorted(ids) == [f"d{number:02}" for number in range(40)]


async def test_a_claim_counts_the_try_and_brings_what_is_needed(store: SqlNotifierStore) -> None:
    """Channel, body, tries and the end of the 24 hours."""
    await store.add_channel(_channel())
    await _queue(store, _delivery("d1"))
    (claimed,) = await _claim(store)
    assert (claimed.tries, claimed.body, claimed.channel) == (1, "{}", _channel())
    assert claimed.give_up_at == NOON + timedelta(hours=24)


async def test_a_dead_senders_delivery_is_due_again(store: SqlNotifierStore, clock: Any) -> None:
    """When its lease ends; the dead one's late word then changes nothing."""
    await store.add_channel(_channel())
    await _queue(store, _delivery("d1"))
    (lost,) = await _claim(store, lease_seconds=LEASE_SECONDS)
    assert await _claim(store) == []
    clock.forward(seconds=LEASE_SECONDS)
    (again,) = await _claim(store)
    assert again.tries == 2
    assert not await store.finish(lost, *DELIVERED)
    assert await store.finish(again, *DELIVERED)
    assert not await store.finish(again, Attempt(500), Step("undelivered", None, "late"))
    shown = await store.delivery("d1")
    assert (shown.status, shown.tries, shown.delivered_at) == ("delivered", 2, clock.now())


async def test_a_failed_try_waits_for_its_time(store: SqlNotifierStore, clock: Any) -> None:
    """The pause is a row with a due time, not a sleeping task."""
    await store.add_channel(_channel())
    await _queue(store, _delivery("d1"))
    (claimed,) = await _claim(store)
    due = clock.now() + timedelta(seconds=5)
    await store.finish(claimed, Attempt(503), Step("pending", due, "the receiver answered 503"))
    assert await _claim(store) == []
    clock.forward(seconds=5)
    assert [one.tries for one in await _claim(store)] == [2]


async def test_no_channel_takes_the_room_of_the_others(store: SqlNotifierStore) -> None:
    """A channel with a thousand due deliveries gets its share, a busy one nothing."""
    await store.add_channel(_channel())
    await store.add_channel(_channel("small"))
    many = [_delivery(f"a{number:02}") for number in range(30)]
    await _queue(store, *many, _delivery("z", "small"), _delivery("zz", "busy"))
    claimed = await _claim(store, limit=10, per_channel=4, busy=["busy"])
    assert sorted(one.channel_id for one in claimed) == ["hook"] * 4 + ["small"]


async def test_retry_by_hand(store: SqlNotifierStore, clock: Any) -> None:
    """An undelivered one is due now, for another day; a delivered one stays delivered."""
    await store.add_channel(_channel())
    await _queue(store, _delivery("d1"))
    (claimed,) = await _claim(store)
    await store.finish(claimed, Attempt(410), Step("undelivered", None, "gone"))
    clock.forward(days=3)
    assert (await store.retry("d1")).status == "pending"
    (again,) = await _claim(store)
    assert again.give_up_at == clock.now() + timedelta(hours=24)
    await store.finish(again, *DELIVERED)
    with pytest.raises(Conflict):
        await store.retry("d1")
    with pytest.raises(NotFound):
        await store.retry("none")


# --- administration --------------------------------------------------------------------------------------------------


async def test_channels_are_kept(store: SqlNotifierStore) -> None:
    """Made once, changed, listed by id, deleted."""
    await store.add_channel(_channel("b"))
    await store.add_channel(_channel("a"))
    with pytest.raises(Conflict):
        await store.add_channel(_channel("a", name="Again"))
    changed = _channel("a", name="New", active=False)
    assert await store.change_channel(changed) == changed
    assert [one.channel_id for one in await store.channels(after=None, limit=1)] == ["a"]
    assert [one.channel_id for one in await store.channels(after="a", limit=9)] == ["b"]
    await store.delete_channel("a")
    for missing in (store.channel("a"), store.change_channel(changed), store.delete_channel("a")):
        with pytest.raises(NotFound):
            await missing


async def test_rules_need_their_channel(store: SqlNotifierStore) -> None:
    """A rule for no channel is refused; a channel with rules is not deleted; its waiting deliveries close with it."""
    with pytest.raises(InvalidInput):
        await store.add_rule(_rule())
    await store.add_channel(_channel())
    made = await store.add_rule(_rule("ops", "failed", remind_every="4h", category="sales"))
    assert (made.on, made.remind_every, made.category) == (["failed"], 4 * 3600.0, "sales")
    assert await store.rules(after=None, limit=9) == [made]
    with pytest.raises(Conflict):
        await store.add_rule(_rule())
    with pytest.raises(Conflict, match="ops"):
        await store.delete_channel("hook")
    await store.delete_rule("ops")
    with pytest.raises(NotFound):
        await store.delete_rule("ops")
    await _queue(store, _delivery("d1"))
    await store.delete_channel("hook")
    assert (await store.delivery("d1")).last_error == "the channel was deleted"


@pytest.mark.req("IR-8")
async def test_a_changed_rule_tells_by_its_new_words_and_nothing_twice(store: SqlNotifierStore, ended: Ended) -> None:
    """Everything but its id and its beginning may change; the streak it told of stays told."""
    for channel_id in ("hook", "desk"):
        await store.add_channel(_channel(channel_id))
    made = await store.add_rule(_rule("ops", "failed", category="sales"))
    with pytest.raises(InvalidInput, match="nowhere"):
        await store.change_rule(_rule("ops", channel_id="nowhere"))
    with pytest.raises(NotFound):
        await store.change_rule(_rule("absent"))
    assert await take([ended("r1")], store=store) == 0, "the process is in no category"
    changed = await store.change_rule(_rule("ops", "failed", "recovered", channel_id="desk", after_failures=2))
    assert await store.rules(after=None, limit=9) == [changed]
    assert (changed.channel_id, changed.category, changed.created_at) == ("desk", None, made.created_at)
    assert await take([ended("r2", minute=1)], store=store) == 1
    await store.change_rule(_rule("ops", "failed", "recovered"))
    assert await take([ended("r3", minute=2)], store=store) == 0, "one message per streak"
    await store.change_rule(_rule("ops", active=False))
    assert await take([ended("r4", "success", minute=3)], store=store) == 0
    assert await _told(store) == [("r2", "failed")]
    await store.delete_channel("desk")
    with pytest.raises(Conflict, match="ops"):
        await store.delete_channel("hook")


async def test_the_log_is_filtered_and_paged(store: SqlNotifierStore, clock: Any) -> None:
    """Newest first; every delivery once."""
    for number in range(5):
        await _queue(store, _delivery(f"d{number}", "a" if number % 2 else "b"))
        clock.forward(seconds=number % 2)
    first = await store.deliveries(EVERYTHING, after=None, limit=3)
    rest = await store.deliveries(EVERYTHING, after=(first[-1].created_at, first[-1].delivery_id), limit=9)
    assert [one.delivery_id for one in [*first, *rest]] == ["d4", "d3", "d2", "d1", "d0"]
    only = await store.deliveries(DeliveryFilter(channel_id="a", run_id="run-d3"), after=None, limit=9)
    assert [one.delivery_id for one in only] == ["d3"]
    assert await store.deliveries(DeliveryFilter(status="delivered"), after=None, limit=9) == []


async def test_tidying_drops_what_is_too_old(store: SqlNotifierStore, ended: Ended, clock: Any) -> None:
    """Closed deliveries after 90 days; outcomes stay, so that a yearly streak is still one."""
    await store.add_channel(_channel())
    await store.add_rule(_rule())
    await take([ended("r1")], store=store)
    (claimed,) = await _claim(store)
    await store.finish(claimed, *DELIVERED)
    clock.forward(days=91)
    await store.tidy()
    assert await _told(store) == []
    assert await take([ended("r2", "success", minute=91 * 24 * 60)], store=store) == 1


@pytest.mark.req("IR-8")
async def test_a_channel_of_e_mail_is_kept_whole(store: SqlNotifierStore) -> None:
    """Beside webhooks, in the same list; what is changed replaces it."""
    email = EmailSettings(host="mail.example.com", sender="Steptrail <s@example.com>", recipients=["ada@example.com"])
    desk = _channel("desk", kind="email", url=email.url, email=email, sealed_key="")
    assert await store.add_channel(desk) == desk
    await store.add_channel(_channel())
    assert [one.kind for one in await store.channels(after=None, limit=9)] == ["email", "webhook"]
    moved = email.model_copy(update={"recipients": ["bob@example.com"], "port": 465, "security": "tls"})
    await store.change_channel(replace(desk, email=moved, url=moved.url, sealed_key="sealed"))
    found = await store.channel("desk")
    assert (found.email, found.url, found.sealed_key) == (moved, "smtps://mail.example.com:465", "sealed")
    shown = found.view()
    assert (shown.url, shown.secret_set, shown.email) == (None, True, moved)


@pytest.mark.req("IR-8")
async def test_who_has_not_got_a_message_is_kept_with_it(store: SqlNotifierStore, clock: Any) -> None:
    """Over tries that never came so far, and over a retry by hand."""
    await store.add_channel(_channel())
    await _queue(store, _delivery("d1"))
    (first,) = await _claim(store)
    assert first.owed == ()
    later = Step("pending", clock.now(), "busy")
    await store.finish(first, Attempt(450, answer="SMTP 450 busy", owed=("bob@example.com",)), later)
    (second,) = await _claim(store)
    assert second.owed == ("bob@example.com",)
    await store.finish(second, Attempt(error="no answer"), Step("undelivered", None, "no answer"))
    shown = await store.delivery("d1")
    assert (shown.last_answer, shown.last_error) == (None, "no answer")
    await store.retry("d1")
    (third,) = await _claim(store)
    assert third.owed == ("bob@example.com",)


async def test_migrations_make_the_declared_schema(store: SqlNotifierStore) -> None:
    """A table or column that only one of both knows would show here; running them again changes nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    await store.start()
    async with store._engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"version_table": "alembic_notifier"}), metadata
            )
        )
    assert found == []
