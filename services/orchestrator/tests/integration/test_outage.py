"""The database goes away and comes back: nothing is half done, and what was under way goes on by itself."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.testing.plugin import POSTGRES, Servers
from steptrail_common.testing.replay import disagreements, replay
from steptrail_common.testing.worker import passed


@pytest.fixture
def own_server(servers: Servers) -> Iterator[Any]:
    """A PostgreSQL that this test alone stops and starts."""
    server = servers.make(POSTGRES)
    yield server
    server.discard()


@pytest.fixture
def store_address(own_server: Any) -> str:
    return str(own_server.url)


@pytest.mark.req("NFR-006")
async def test_while_postgresql_is_away_requests_are_503_and_runs_resume_after_it(bench: Any, own_server: Any) -> None:
    """A run under way ends well after the outage although its answer arrived in the middle of it."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    here.worker.plan("one", lambda _: None)
    run_id = await here.start_run()
    await here.eventually(lambda: bool(here.worker.requests))
    await asyncio.to_thread(own_server.stop)
    body = {"process_id": "order-to-cash", "inputs": {"order_id": "4711"}}
    refused = await here.http.post("/runs", json=body)
    assert (refused.status_code, refused.headers.get("retry-after")) == (503, "2")
    assert (await here.http.get(f"/runs/{run_id}")).status_code == 503
    assert (await here.http.get("/readyz")).status_code == 503
    await here.worker.send(passed(here.worker.requests[0]))
    await asyncio.sleep(1)
    await asyncio.to_thread(own_server.start)
    view = await here.ended(run_id, 60)
    assert view["status"] == "success"
    events = [RunEvent.model_validate(event) for event in await here.events(run_id)]
    assert disagreements(replay(events), view) == []
    assert len((await here.http.get("/runs")).json()["items"]) == 1
