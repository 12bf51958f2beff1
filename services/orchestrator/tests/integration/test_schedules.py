"""Schedules on both databases, from a saved definition to the run that a tick begins."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from steptrail_common.bus.inprocess import InProcessBus
from steptrail_common.bus.port import Delivery, Destination, Message, Subscription
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.events import CloudEvent, envelope
from steptrail_common.contracts.model import utc
from steptrail_common.contracts.replays import REPLAYS_QUEUE
from steptrail_common.contracts.schedules import ScheduleMissed
from steptrail_common.database import open_engine, reading, writing
from steptrail_common.errors import Unavailable
from steptrail_orchestrator.adapters.schema import outbox, schedule_ticks, schedules

NEVER = {"cron": "0 0 29 2 *"}
REPORTING = "steptrail.reporting.v1"
ORDER = {"inputs": {"order_id": "900001"}}


async def tell(here: Any, event: ProcessSaved | ProcessDeleted) -> None:
    """What the catalog tells everyone."""
    name = "process.saved" if isinstance(event, ProcessSaved) else "process.deleted"
    identity = (event.process_id, str(event.at))
    told = envelope(name, event, source="catalog", identity=identity, at=event.at, subject=event.process_id)
    await publish(here, Destination(topic=f"{name}.{event.process_id}"), told.model_dump_json())


async def publish(here: Any, destination: Destination, text: str) -> None:
    bus = InProcessBus(here.broker)
    await bus.start()
    await bus.publish([(destination, Message(text.encode(), uuid4().hex))])
    await bus.close()


async def saved(here: Any) -> None:
    document = here.catalog.documents["order-to-cash"]
    revision = here.catalog.revisions["order-to-cash"]
    at = SystemClock().now()
    await tell(
        here, ProcessSaved(process_id="order-to-cash", revision=revision, name=document["name"], at=at, by="anna")
    )


async def listed(here: Any, count: int, good: Any = lambda items: True) -> list[dict[str, Any]]:
    """The schedules, once there are so many and they are as they should be."""
    items: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while True:
            items = (await here.http.get("/schedules", params={"process_id": "order-to-cash"})).json()["items"]
            if len(items) == count and good(items):
                return items
            await asyncio.sleep(0.02)


async def make_due(here: Any, ago: timedelta = timedelta(0)) -> None:
    """Every active schedule becomes due, its tick so long ago, as if time had passed."""
    engine = open_engine(here.store)
    async with writing(engine) as connection:
        at = SystemClock().now() - ago
        await connection.execute(
            sa.update(schedules).where(schedules.c.fire_at.is_not(None)).values(tick_at=at, fire_at=at)
        )
    await engine.dispose()


async def ticks_of(here: Any, schedule_id: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            items = (await here.http.get(f"/schedules/{schedule_id}/ticks")).json()["items"]
            if len(items) >= count:
                return list(items)
            await asyncio.sleep(0.02)


@pytest.mark.req("FR-007")
async def test_a_saved_schedule_starts_a_run_when_it_is_due(bench: Any) -> None:
    """The run says that a schedule began it; the tick names the run; the next one is noted."""
    here = await bench(schedule_poll_seconds=0.1)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    (schedule,) = await listed(here, 1)
    assert (schedule["state"], schedule["cron"], len(schedule["upcoming"])) == ("active", "0 0 29 2 *", 5)
    await make_due(here)
    (tick,) = await ticks_of(here, schedule["schedule_id"], 1)
    assert (tick["outcome"], tick["count"]) == ("started", 1)
    run = await here.ended(tick["run_id"])
    assert (run["status"], run["trigger"], run["initiated_by"], run["key"]) == (
        "success", "schedule", "schedule", "900001",
    )  # fmt: skip
    (after,) = await listed(here, 1)
    assert (after["last_run_id"], after["last_outcome"]) == (tick["run_id"], "started")
    assert after["next_run_at"] == schedule["next_run_at"]
    upcoming = (await here.http.get("/schedules/next", params={"process_id": ["order-to-cash", "x"]})).json()
    assert upcoming == [{"process_id": "order-to-cash", "next_run_at": schedule["next_run_at"]}]


@pytest.mark.req("FR-007")
async def test_of_many_replicas_exactly_one_starts_the_run_of_a_tick(bench: Any) -> None:
    """Three replicas that all look at the same moment, ten schedules: ten ticks, ten runs."""
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | {"inputs": {"order_id": f"90000{n}"}} for n in range(10)])
    await saved(here)
    items = await listed(here, 10)
    for _ in range(2):
        await here.add_replica(schedule_poll_seconds=0.05)
    await make_due(here)
    ticks = [(await ticks_of(here, item["schedule_id"], 1)) for item in items]
    assert [[tick["outcome"] for tick in found] for found in ticks] == [["started"]] * 10
    runs = (await here.http.get("/runs", params={"trigger": "schedule"})).json()["items"]
    assert sorted(run["run_id"] for run in runs) == sorted(found[0]["run_id"] for found in ticks)
    for run in runs:
        await here.ended(run["run_id"])


async def test_a_tick_that_is_due_again_starts_nothing(bench: Any) -> None:
    """A restored database, or a bug, made a tick due that was acted upon before: its key is known, its run is there."""
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    (schedule,) = await listed(here, 1)
    await make_due(here)
    (tick,) = await ticks_of(here, schedule["schedule_id"], 1)
    await here.ended(tick["run_id"])
    engine = open_engine(here.store)
    async with writing(engine) as connection:
        again = sa.select(schedule_ticks.c.tick_at).scalar_subquery()
        await connection.execute(sa.update(schedules).values(tick_at=again, fire_at=again))
    await engine.dispose()
    await listed(here, 1, lambda items: items[0]["next_run_at"] == schedule["next_run_at"])
    assert len(await ticks_of(here, schedule["schedule_id"], 1)) == 1
    runs = (await here.http.get("/runs", params={"trigger": "schedule"})).json()["items"]
    assert [run["run_id"] for run in runs] == [tick["run_id"]]


@pytest.mark.req("FR-007")
async def test_a_paused_schedule_starts_nothing_until_it_is_resumed(bench: Any) -> None:
    """And can be paused and resumed twice; an unknown one is not found."""
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[{"every": "10s", **ORDER}])
    await saved(here)
    (schedule,) = await listed(here, 1)
    path = f"/schedules/{schedule['schedule_id']}"
    for _ in range(2):
        paused = (await here.http.post(f"{path}/pause")).json()
        assert (paused["state"], paused["paused_by"], paused["next_run_at"]) == ("paused", "anna", None)
    here.save({"id": "one"}, {"id": "two"}, schedule=[{"every": "10s", "jitter": "1s", **ORDER}])
    await saved(here)
    (kept,) = await listed(here, 1, lambda items: items[0]["jitter_seconds"] == 1.0)
    assert (kept["schedule_id"], kept["state"]) == (schedule["schedule_id"], "paused")
    for _ in range(2):
        resumed = (await here.http.post(f"{path}/resume")).json()
        assert (resumed["state"], resumed["paused_at"]) == ("active", None)
        assert resumed["next_run_at"] is not None
    assert (await here.http.post("/schedules/none/pause")).status_code == 404
    assert (await here.http.get("/schedules/none/ticks")).status_code == 404


@pytest.mark.req("FR-007")
async def test_a_tick_that_is_found_late_is_recorded_as_missed(bench: Any) -> None:
    """Nobody was there: no run, and the time counts as not measured. With `catch_up: once` one run makes up for it."""
    here = await bench(schedule_poll_seconds=0.05)
    heard = await listener(here)
    catching = {"inputs": {"order_id": "900002"}, "catch_up": "once"}
    here.save({"id": "one"}, schedule=[NEVER | ORDER, NEVER | catching])
    await saved(here)
    skipping, once = await listed(here, 2)
    await make_due(here, timedelta(minutes=5))
    (missed,) = await ticks_of(here, skipping["schedule_id"], 1)
    assert (missed["outcome"], missed["reason"], missed["run_id"]) == ("missed", "late", None)
    (caught,) = await ticks_of(here, once["schedule_id"], 1)
    assert (caught["outcome"], caught["reason"]) == ("started", "catch_up")
    await here.ended(caught["run_id"])
    event = await asyncio.wait_for(heard.get(), 20)
    assert (event.name, event.subject) == ("schedule.missed", "order-to-cash")
    told = ScheduleMissed.model_validate(event.data)
    assert (told.schedule_id, told.count, told.reason) == (skipping["schedule_id"], 1, "late")
    assert utc(told.tick_at) == missed["tick_at"]
    assert heard.empty()


@pytest.mark.req("IR-9")
@pytest.mark.parametrize("place", ["at the event", "at the commit"])
async def test_missed_ticks_that_are_not_recorded_are_not_told(bench: Any, place: str) -> None:
    """Row and event are one transaction: while it fails, wherever, neither of them is there; then each is, once."""
    here = await bench(schedule_poll_seconds=0.05)
    heard = await listener(here)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    (schedule,) = await listed(here, 1)
    with failing(place) as failures:
        await make_due(here, timedelta(minutes=5))
        await here.eventually(lambda: len(failures) > 0)
        assert await rows_of(here, schedule_ticks, outbox) == [0, 0]
    (missed,) = await ticks_of(here, schedule["schedule_id"], 1)
    event = await asyncio.wait_for(heard.get(), 20)
    assert utc(ScheduleMissed.model_validate(event.data).tick_at) == missed["tick_at"]
    assert heard.empty()


@contextmanager
def failing(place: str) -> Iterator[list[str]]:
    """The database goes away when ticks are written: after the row of their event, or in place of their commit."""
    failures: list[str] = []
    writers = set[sa.Connection]()

    def executed(connection: sa.Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO schedule_ticks"):
            writers.add(connection)
        if place == "at the event" and statement.startswith("INSERT INTO outbox"):
            fail()

    def committing(connection: sa.Connection) -> None:
        if place == "at the commit" and connection in writers:
            fail()

    def fail() -> None:
        failures.append(place)
        raise Unavailable("the database went away")

    listeners = {"after_cursor_execute": executed, "commit": committing}
    for name, function in listeners.items():
        sa.event.listen(sa.Engine, name, function)
    try:
        yield failures
    finally:
        for name, function in listeners.items():
            sa.event.remove(sa.Engine, name, function)


async def rows_of(here: Any, *tables: sa.Table) -> list[int]:
    engine = open_engine(here.store)
    async with reading(engine) as connection:
        found = [await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]
    await engine.dispose()
    return found


@pytest.mark.req("NFR-006")
async def test_missed_ticks_are_told_again_to_who_may_have_lost_them(bench: Any) -> None:
    """With the id they had, also of a schedule that is gone; and not what was found before the moment asked for."""
    here = await bench(schedule_poll_seconds=0.05)
    heard = await listener(here)
    here.save({"id": "one"}, schedule=[NEVER | {"inputs": {"order_id": f"90000{n}"}} for n in range(3)])
    await saved(here)
    await listed(here, 3)
    await make_due(here, timedelta(minutes=5))
    told = [await asyncio.wait_for(heard.get(), 20) for _ in range(3)]
    here.save({"id": "one"}, schedule=[NEVER | {"inputs": {"order_id": "900000"}}])
    await saved(here)
    await listed(here, 1)
    again = await listener(here, REPORTING)
    for wanted in ({"since": "2999-01-01T00:00:00Z"}, {"types": ["schedule.missed"]}):
        await publish(here, Destination(queue=REPLAYS_QUEUE), json.dumps({"queue": REPORTING, **wanted}))
    once_more = [await asyncio.wait_for(again.get(), 20) for _ in range(3)]
    assert sorted(event.id for event in once_more) == sorted(event.id for event in told)
    before = {event.id: event.data | {"process_name": None} for event in told}
    assert {event.id: event.data | {"process_name": None} for event in once_more} == before
    assert again.empty()


async def listener(here: Any, queue: str = "listener") -> "asyncio.Queue[CloudEvent]":
    """What is told of schedules from now on, or to this queue."""
    bus, heard = InProcessBus(here.broker), asyncio.Queue[CloudEvent]()
    await bus.start()

    async def hear(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            heard.put_nowait(CloudEvent.model_validate_json(delivery.message.body))

    await bus.subscribe(Subscription(queue, patterns=("schedule.#",)), hear)
    return heard


@pytest.mark.req("FR-012")
async def test_a_process_that_may_not_be_checked_refuses_the_tick_and_holds_up_no_other(bench: Any) -> None:
    """Nor can a person start it: an account that can write is asked nothing until somebody accepts that."""
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    (schedule,) = await listed(here, 1)
    here.catalog.refuses = "the account of connection erp can write: accept it on the page of the connection"
    await make_due(here)
    (tick,) = await ticks_of(here, schedule["schedule_id"], 1)
    assert (tick["outcome"], tick["reason"], tick["run_id"]) == ("refused", "not_startable", None)
    assert tick["message"] == here.catalog.refuses
    asked = await here.http.post("/runs", json={"process_id": "order-to-cash", "inputs": {"order_id": "4711"}})
    assert (asked.status_code, asked.json()["detail"]) == (409, here.catalog.refuses)


async def test_inputs_that_no_longer_fit_refuse_the_tick_and_name_the_field(bench: Any) -> None:
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | {"inputs": {"order_id": "x"}}])
    await saved(here)
    (schedule,) = await listed(here, 1)
    await make_due(here)
    (tick,) = await ticks_of(here, schedule["schedule_id"], 1)
    assert (tick["outcome"], tick["reason"], tick["run_id"]) == ("refused", "invalid_inputs", None)
    assert "schedule.inputs.order_id: must match" in tick["message"]


@pytest.mark.req("FR-007")
async def test_changes_that_nobody_told_are_found_at_the_start(bench: Any) -> None:
    """A process saved or deleted while no orchestrator listened; deleting removes the schedule, its ticks stay."""
    here = await bench(schedule_resync_seconds=0.1, schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    (schedule,) = await listed(here, 1)
    await make_due(here, timedelta(minutes=5))
    await ticks_of(here, schedule["schedule_id"], 1)
    del here.catalog.documents["order-to-cash"]
    await listed(here, 0)
    engine = open_engine(here.store)
    async with writing(engine) as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(schedule_ticks)) == 1
    await engine.dispose()


async def test_a_deleted_process_loses_its_schedules(bench: Any) -> None:
    """Told by the catalog's event."""
    here = await bench()
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    await listed(here, 1)
    del here.catalog.documents["order-to-cash"]
    await tell(here, ProcessDeleted(process_id="order-to-cash", at=SystemClock().now(), by="anna"))
    await listed(here, 0)


async def test_while_the_catalog_is_away_a_tick_waits_for_it(bench: Any) -> None:
    """It stays due, and starts its run as soon as the definition can be read."""
    here = await bench(schedule_poll_seconds=0.05)
    here.save({"id": "one"}, schedule=[NEVER | ORDER])
    await saved(here)
    (schedule,) = await listed(here, 1)
    here.catalog.away = True
    await make_due(here)
    await asyncio.sleep(0.3)
    assert (await here.http.get(f"/schedules/{schedule['schedule_id']}/ticks")).json()["items"] == []
    here.catalog.away = False
    (tick,) = await ticks_of(here, schedule["schedule_id"], 1)
    assert tick["outcome"] == "started"
    await here.ended(tick["run_id"])


async def test_the_list_of_schedules_comes_in_pages(bench: Any) -> None:
    here = await bench(with_worker=False)
    here.save({"id": "one"}, schedule=[NEVER | {"inputs": {"order_id": f"90000{n}"}} for n in range(5)])
    await saved(here)
    await listed(here, 5)
    first = (await here.http.get("/schedules", params={"limit": 3})).json()
    second = (await here.http.get("/schedules", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["number"] for item in first["items"] + second["items"]] == [1, 2, 3, 4, 5]
    assert second["next_cursor"] is None
