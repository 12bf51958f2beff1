"""From the bus to the hub, with what the bus may do on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from steptrail_common.bus.port import Delivery, Message, Reject
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import ProcessSaved
from steptrail_common.contracts.events import envelope, routing_key
from steptrail_common.contracts.incidents import IncidentEvent
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.testing.scripted import Asked, Scripted, ScriptedService
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.domain.stream import Wants, incident_frame
from steptrail_gateway.entrypoints.feed import Feed
from steptrail_gateway.entrypoints.hub import Client, Hub


def event(seq: int, run_id: str = "r1", **more: Any) -> RunEvent:
    fields = {
        "run_id": run_id,
        "process_id": "p1",
        "seq": seq,
        "at": "2026-11-20T12:00:00Z",
        "type": "step.started",
        "status": "running",
    }
    return RunEvent.model_validate({**fields, **more})


def delivery(fact: RunEvent, position: int | None = None) -> Delivery:
    wrapped = envelope(
        fact.type, fact, source="orchestrator", identity=(fact.run_id, fact.seq), at=fact.at, subject=fact.process_id
    )
    headers = {"position": str(position)} if position is not None else {}
    message = Message(wrapped.model_dump_json().encode(), wrapped.id, headers=headers)
    return Delivery(message, routing_key(fact.type, fact.process_id))


class Stage:
    """A feed with one listening client and a scripted log."""

    def __init__(self) -> None:
        self.log = ScriptedService()
        self.hub = Hub()
        self.feed = Feed(self.hub, self.log.client(), SystemClock())
        self.client: Client = self.hub.join(Caller("ada", "ada", "viewer", "session", "s"), Wants())

    async def read_until(self, text: str) -> str:
        """Everything sent, up to the piece that holds the text."""
        got = ""
        async with asyncio.timeout(5):
            while text not in got:
                got += (await self.client.take()).decode()
        return got


@asynccontextmanager
async def mending(stage: Stage) -> AsyncIterator[None]:
    task = asyncio.create_task(stage.feed.mend())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def seqs(text: str) -> list[int]:
    return [int(part.split(",")[0]) for part in text.split('"seq":')[1:]]


async def test_events_carry_their_position_as_id() -> None:
    stage = Stage()
    assert stage.feed.position() is None
    await stage.feed.on_deliveries([delivery(event(1), 41), delivery(event(2), 42)])
    text = await stage.read_until('"seq":2')
    assert text.startswith("id: 41\nevent: step.started\ndata: ")
    assert "id: 42\n" in text
    assert stage.feed.position() == "42"


async def test_repeats_and_disorder_of_the_bus_are_undone() -> None:
    """At-least-once, unordered delivery comes out once and in order."""
    stage = Stage()
    await stage.feed.on_deliveries([delivery(event(1)), delivery(event(3)), delivery(event(1))])
    await stage.feed.on_deliveries([delivery(event(3)), delivery(event(2))])
    assert seqs(await stage.read_until('"seq":3')) == [1, 2, 3]


@pytest.mark.req("FR-009")
async def test_missing_event_is_fetched_from_the_log() -> None:
    """What the broker lost comes from the database, in its place."""
    stage = Stage()
    missing = {"items": [event(2).model_dump(mode="json"), event(3).model_dump(mode="json")], "next_cursor": None}
    stage.log.answer("GET", "/runs/r1/events", missing)
    async with mending(stage):
        await stage.feed.on_deliveries([delivery(event(1)), delivery(event(4))])
        text = await stage.read_until('"seq":4')
    assert seqs(text) == [1, 2, 3, 4]
    assert stage.log.asked[-1].query == {"after": ["1"], "limit": ["200"]}


def run_id_of(moment: datetime) -> str:
    """A UUIDv7 of that moment, as the orchestrator makes them."""
    return str(UUID(int=(int(moment.timestamp() * 1000) << 80) | 7 << 76 | 0x2 << 62))


@pytest.mark.req("FR-009", "NFR-006")
async def test_the_late_beginning_of_a_run_is_fetched_as_well() -> None:
    """It began while we listened, so somebody watches it: what comes first is only late, as when a commit was told as
    an error and its messages leave from the table seconds later."""
    stage = Stage()
    run_id = run_id_of(datetime.now(UTC))
    missing = [event(seq, run_id).model_dump(mode="json") for seq in (1, 2, 3)]
    stage.log.answer("GET", f"/runs/{run_id}/events", {"items": missing, "next_cursor": None})
    async with mending(stage):
        await stage.feed.on_deliveries([delivery(event(4, run_id))])
        text = await stage.read_until('"seq":4')
        await stage.feed.on_deliveries([delivery(event(1, run_id)), delivery(event(5, run_id))])
        text += await stage.read_until('"seq":5')
    assert seqs(text) == [1, 2, 3, 4, 5]
    assert stage.log.asked[-1].query == {"after": ["0"], "limit": ["200"]}


async def test_what_a_run_did_before_we_listened_is_not_fetched() -> None:
    """Clients have read it already; after a restart thousands of runs may be under way."""
    stage = Stage()
    run_id = run_id_of(datetime.now(UTC) - timedelta(minutes=1))
    async with mending(stage):
        await stage.feed.on_deliveries([delivery(event(4, run_id))])
        assert seqs(await stage.read_until('"seq":4')) == [4]
    assert stage.log.asked == []


async def test_gap_that_cannot_be_filled_becomes_a_reset() -> None:
    """Rather read everything again than see a hole."""
    stage = Stage()
    stage.log.away = True
    async with mending(stage):
        await stage.feed.on_deliveries([delivery(event(1)), delivery(event(4))])
        text = await stage.read_until("event: reset")
    assert seqs(text) == [1, 4]


async def test_lost_subscription_is_made_good_from_the_log() -> None:
    """After the broker was away the log is read from where we stood, and repeats are dropped."""
    stage = Stage()
    await stage.feed.on_deliveries([delivery(event(1), 1000)])

    def log(asked: Asked) -> Scripted:
        first, second = event(1).model_dump(mode="json"), event(2).model_dump(mode="json")
        if asked.query["after"] == ["500"]:
            return Scripted({"items": [{"cursor": "1000", "event": first}], "next_cursor": "1000"})
        return Scripted({"items": [{"cursor": "1001", "event": second}], "next_cursor": None})

    stage.log.react("GET", "/events", log)
    resubscribed = stage.feed.subscription("x").resubscribed
    assert resubscribed is not None
    async with mending(stage):
        resubscribed()
        text = await stage.read_until('"seq":2')
    assert seqs(text) == [1, 2]
    assert "id: 1001" in text
    assert [asked.query["after"] for asked in stage.log.asked] == [["500"], ["1000"]]


async def test_lost_subscription_without_a_position_is_a_reset() -> None:
    stage = Stage()
    resubscribed = stage.feed.subscription("x").resubscribed
    assert resubscribed is not None
    async with mending(stage):
        resubscribed()
        assert "event: reset" in await stage.read_until("reset")


async def test_changes_of_definitions_are_told_once() -> None:
    stage = Stage()
    saved = ProcessSaved.model_validate(
        {"process_id": "p1", "revision": 2, "name": "P", "at": "2026-11-20T12:00:00Z", "by": "ada"}
    )
    wrapped = envelope("process.saved", saved, source="catalog", identity=("p1", 2), at=saved.at, subject="p1")
    told = Delivery(Message(wrapped.model_dump_json().encode(), wrapped.id), "process.saved.p1")
    await stage.feed.on_deliveries([told, told, delivery(event(1))])
    text = await stage.read_until('"seq":1')
    assert text.count("event: process.saved") == 1
    assert '"process_id":"p1"' in text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not json", b"{}", b'{"id":"1","source":"x","type":"io.steptrail.run.queued.v1"}']
)
async def test_what_is_no_event_is_parked(body: bytes) -> None:
    """A foreign message on the exchange harms nobody."""
    with pytest.raises(Reject):
        await Stage().feed.on_deliveries([Delivery(Message(body, "x"), "run.queued.p1")])


@pytest.mark.req("IR-8")
async def test_incidents_are_told_once_to_everyone_who_watches_one_of_their_processes() -> None:
    """Also to a stream that asked for some processes only."""
    stage = Stage()
    told = IncidentEvent.model_validate(
        {"incident_id": "1", "number": 1, "at": "2026-11-20T12:00:00Z", "type": "incident.opened", "state": "open",
         "title": "db.test:5432 cannot be reached", "kind": "target", "status": "failed", "keys_open": 2, "runs": 2,
         "opened_at": "2026-11-20T12:00:00Z", "run_id": "r", "process_id": "p1", "process_ids": ["p1", "p2"]}
    )  # fmt: skip
    wrapped = envelope(told.type, told, source="notifier", identity=("1", 1), at=told.at, subject="1")
    message = Delivery(Message(wrapped.model_dump_json().encode(), wrapped.id), "incident.opened.1")
    await stage.feed.on_deliveries([message, message, delivery(event(1))])
    text = await stage.read_until('"seq":1')
    assert text.count("event: incident.opened") == 1
    assert '"title":"db.test:5432 cannot be reached"' in text
    frame = incident_frame(told)
    assert Wants(process_ids=frozenset({"p2"})).match(frame)
    assert not Wants(process_ids=frozenset({"p3"})).match(frame)
