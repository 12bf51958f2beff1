"""The whole service: events in from a bus, answers out by HTTP."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Delivery, Destination, Message, Reject
from steptrail_common.contracts.events import envelope, routing_key
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.reporting import RunExport
from steptrail_common.service import running
from steptrail_reporting.config import Settings
from steptrail_reporting.entrypoints.events import facts_of
from steptrail_reporting.service import build

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef"
Story = Callable[..., list[RunEvent]]


class FixedClock:
    """The day after the told runs."""

    def now(self) -> datetime:
        return NOON + timedelta(days=1)

    def monotonic(self) -> float:
        return 0.0


def _message(event: RunEvent) -> tuple[Destination, Message]:
    wrapped = envelope(
        event.type, event, source="orchestrator", identity=(event.run_id, event.seq), at=event.at,
        subject=event.process_id,
    )  # fmt: skip
    topic = routing_key(event.type, event.process_id)
    return Destination(topic=topic), Message(wrapped.model_dump_json().encode(), dedup_id=wrapped.id)


@asynccontextmanager
async def _reporting(folder: Path, events: Sequence[RunEvent]) -> AsyncIterator[httpx2.AsyncClient]:
    """Reporting that has heard the events, and a client of its API."""
    broker = InProcessBroker()
    settings = Settings(store=f"sqlite+aiosqlite:///{folder}/r.db", bus="memory:", service_token=TOKEN)
    service = build(settings, bus=InProcessBus(broker), clock=FixedClock())
    teller = InProcessBus(broker)
    async with running(service):
        await teller.start()
        await teller.publish([_message(event) for event in events])
        await teller.close()
        assert service.app is not None
        transport = httpx2.ASGITransport(service.app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://reporting", headers=headers) as client:
            ended = sum(event.type == "run.finished" for event in events)
            async with asyncio.timeout(10):
                while await _ended_runs(client) < ended:  # noqa: ASYNC110 - seen through the API only
                    await asyncio.sleep(0.01)
            yield client


async def _ended_runs(client: httpx2.AsyncClient) -> int:
    return sum(run["ended_at"] is not None for run in (await client.get("/runs")).json()["items"])


@pytest.fixture
async def client(story: Story, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    told = [*story("r1", status="stuck", retries=1), *story("r2", key="=4712", at=NOON + timedelta(hours=1))]
    async with _reporting(tmp_path, told) as opened:
        yield opened


@pytest.mark.req("FR-019")
async def test_history_pages_by_a_signed_cursor(client: httpx2.AsyncClient) -> None:
    """The cursor leads to the next page; a changed one is refused naming the field."""
    first = (await client.get("/runs", params={"limit": 1})).json()
    assert [run["run_id"] for run in first["items"]] == ["r2"]
    second = (await client.get("/runs", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [run["run_id"] for run in second["items"]] == ["r1"]
    assert second["next_cursor"] is None
    forged = await client.get("/runs", params={"cursor": first["next_cursor"][:-4] + "AAAA"})
    assert forged.status_code == 422
    assert forged.json()["errors"][0]["path"] == "cursor"


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/runs?limit=1000000000", "query.limit"),
        ("/runs?limit=-1", "query.limit"),
        ("/runs?stauts=failed", "query.stauts"),
        ("/runs?status=broken", "query.status[0]"),
        ("/runs?since=yesterday", "query.since"),
        ("/runs?q=a%00b", "query.q"),
        ("/runs?since=2026-11-20T00:00:00Z&until=2026-11-19T00:00:00Z", "query.since"),
        ("/runs/export.csv?since=1926-11-20T00:00:00Z", "since"),
        ("/runs/export.json?since=2020-11-20T00:00:00Z&until=2026-11-19T00:00:00Z", "since"),
        ("/processes/order-to-cash/figures?since=0001-01-01T00:00:00Z", "since"),
        ("/processes/..%2fx/figures", None),
        ("/processes/states", "query.ids"),
        ("/processes/states?ids=" + ",".join(f"p{n}" for n in range(201)), "query.ids"),
    ],
)
async def test_bad_input_is_refused_naming_the_field(client: httpx2.AsyncClient, path: str, field: str | None) -> None:
    """Misspelt, impossible and huge parameters never return everything."""
    answer = await client.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    if field is not None:
        assert answer.json()["errors"][0]["path"] == field


@pytest.mark.req("FR-023")
async def test_csv_and_json_exports_agree(client: httpx2.AsyncClient) -> None:
    """The same runs with the same values; only what would start a formula differs, and only in CSV."""
    told = await client.get("/runs/export.json")
    listed = await client.get("/runs/export.csv")
    document = json.loads(told.text)
    RunExport.model_validate(document)
    rows = list(csv.DictReader(io.StringIO(listed.text)))
    assert document["count"] == len(document["items"]) == len(rows) == 2
    for item, row in zip(document["items"], rows, strict=True):
        assert row.pop("key") == {"4711": "4711", "=4712": "'=4712"}[item.pop("key")]
        assert row == {name: "" if value is None else str(value) for name, value in item.items()}
    assert listed.headers["content-disposition"].endswith('.csv"')


async def test_an_export_without_runs_is_still_a_document(client: httpx2.AsyncClient) -> None:
    """A header line, or an empty list."""
    empty = {"key": "none"}
    assert (await client.get("/runs/export.json", params=empty)).json()["items"] == []
    assert (await client.get("/runs/export.csv", params=empty)).text.count("\r\n") == 1


@pytest.mark.req("FR-017")
async def test_states_come_in_the_order_asked(client: httpx2.AsyncClient) -> None:
    """Known and unknown processes side by side."""
    states = (await client.get("/processes/states", params={"ids": ["nothing", "order-to-cash"]})).json()
    assert [state["process_id"] for state in states] == ["nothing", "order-to-cash"]
    assert states[0]["last_status"] is None
    assert states[1]["last_status"] == "success"
    assert states[1]["recent"] == [["r1", "stuck"], ["r2", "success"]]


@pytest.mark.req("FR-022")
async def test_figures_state_their_accounting(client: httpx2.AsyncClient) -> None:
    """Counts, rate, percentiles, recovery; and what was counted in words."""
    figures = (await client.get("/processes/order-to-cash/figures")).json()
    assert figures["by_status"] == {"stuck": 1, "success": 1}
    assert figures["success_rate"] == 0.5
    assert figures["retries"] == 1
    assert figures["mean_time_to_recover_seconds"] == 3600
    assert figures["p50_seconds"] == pytest.approx(4.5, rel=0.02)
    assert [(step["step_id"], step["success_rate"]) for step in figures["steps"]] == [("page", 1.0), ("api", 0.5)]
    assert "cancelled and error" in figures["accounting"]
    expected = (await client.get("/processes/order-to-cash/expected")).json()
    assert expected == {"page": pytest.approx(2.0, rel=0.02), "api": pytest.approx(2.0, rel=0.02)}


async def test_a_process_without_runs_has_null_figures(client: httpx2.AsyncClient) -> None:
    """Not measured is neither up nor down."""
    figures = (await client.get("/processes/quiet/figures")).json()
    assert (figures["runs"], figures["success_rate"], figures["p95_seconds"]) == (0, None, None)
    assert (await client.get("/processes/quiet/grid")).json() == []


async def test_only_our_services_are_answered(client: httpx2.AsyncClient) -> None:
    """Every route but health needs the service token."""
    anonymous = {"Authorization": "Bearer wrong"}
    assert (await client.get("/runs", headers=anonymous)).status_code == 401
    assert (await client.get("/readyz", headers=anonymous)).json()["parts"] == {"store": "ok", "broker": "ok"}


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]x", b"{}", b'{"specversion":"1.0"}', b"[" * 100_000, b"\xff\xfe",
     b'{"id":"1","source":"s","type":"io.steptrail.run.finished.v2","time":"2026-11-20T12:00:00Z"}',
     b'{"id":"1","source":"s","type":"io.steptrail.run.finished.v1","time":"2026-11-20T12:00:00Z","data":{}}'],
)  # fmt: skip
def test_what_can_never_be_read_is_parked(body: bytes) -> None:
    """Rejected at once, without a stack trace in a loop."""
    with pytest.raises(Reject):
        facts_of(Delivery(Message(body, dedup_id="x"), routing_key="run.finished.p"))


def test_events_of_later_versions_are_left_out() -> None:
    """New names and new fields do not stop old consumers; batches are read."""
    new = b'{"id":"1","source":"s","type":"io.steptrail.run.archived.v1","time":"2026-11-20T12:00:00Z"}'
    assert facts_of(Delivery(Message(b"[" + new + b"," + new + b"]", dedup_id="x"), routing_key="run.archived.p")) == []
