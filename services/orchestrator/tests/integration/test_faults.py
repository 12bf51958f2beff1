"""Runs on a bad day: every call to the store and the bus may fail before, after, hang, happen twice or out of order."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.testing.faults import EVERYTHING, Faults, Kind, faulty_store
from steptrail_common.testing.replay import replay
from steptrail_orchestrator import service
from steptrail_orchestrator.adapters.sql import SqlRunStore

RUNS = 5
STEPS = ("one", "two", "three", "four")
"""Enough for the bus to be asked often, although what is decided at once travels together."""
CHANGING = ("begin", "decide", "decide_due", "decide_orphans", "beat")


@pytest.fixture
def store_faults(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Faults:
    """The orchestrator is composed with a store that fails as these say."""
    faults: Faults = request.param

    def spoiled(*args: Any, **named: Any) -> SqlRunStore:
        return faulty_store(SqlRunStore(*args, **named), faults, CHANGING)

    monkeypatch.setattr(service, "SqlRunStore", spoiled)
    return faults


async def accepted(here: Any, number: int) -> str:
    """A client that tries again with its key until it is told a run id."""
    body = {"process_id": "order-to-cash", "inputs": {"order_id": f"47{number:02}"}}
    while True:
        answer = await here.http.post("/runs", json=body, headers={"Idempotency-Key": f"key-{number}"})
        if answer.status_code == 202:
            return str(answer.json()["run_id"])
        assert answer.status_code == 503, answer.text


async def judge(here: Any, run_id: str) -> None:
    """It ended well, each step was accepted once, and its events tell the whole of it."""
    view = await here.ended(run_id, 60)
    assert view["status"] == "success", view["verdict"]
    for step in view["steps"]:
        assert Counter(attempt["status"] for attempt in step["attempts"])["passed"] == 1
    told = replay([RunEvent.model_validate(event) for event in await here.events(run_id)])
    assert told.faults == []
    assert told.status == "success"


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize(
    "store_faults",
    [
        pytest.param(Faults(1, EVERYTHING, hang_seconds=0.02), id="everything"),
        pytest.param(Faults(2, {Kind.AFTER: 0.5}), id="commit-then-error"),
        pytest.param(Faults(3, {Kind.BEFORE: 0.5}), id="refused"),
    ],
    indirect=True,
)
async def test_every_accepted_run_ends_once_whatever_fails(bench: Any, store_faults: Faults) -> None:
    """Accepted is durable, keys make one run, steps count once: with half of all calls going wrong."""
    bus_faults = Faults(store_faults.seed, EVERYTHING, hang_seconds=0.02, held_seconds=0.05)
    here = await bench(
        faults=bus_faults, poll_seconds=0.1, republish_seconds=1.0, lease_seconds=3.0, orphan_scan_seconds=1.0
    )
    here.save(*({"id": step} for step in STEPS), defaults={"retry": {"count": 8, "interval": "50ms"}})
    run_ids = await asyncio.gather(*(accepted(here, number) for number in range(RUNS)))
    for run_id in run_ids:
        await judge(here, run_id)
    listed = (await here.http.get("/runs", params={"limit": 100})).json()["items"]
    assert sorted(run["run_id"] for run in listed) == sorted(run_ids)
    assert store_faults.made.total() > RUNS
    assert bus_faults.made.total() > RUNS
