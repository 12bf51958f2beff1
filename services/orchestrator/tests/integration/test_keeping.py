"""Old runs are forgotten where the installation says so, and nothing else is."""

from typing import Any

import pytest
from steptrail_common.database import open_engine
from steptrail_common.evidence import EvidenceStore
from steptrail_common.testing.worker import passed
from steptrail_orchestrator.adapters.sql import Chains, SqlRunReader, SqlRunStore
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.handlers import forget_old_runs


@pytest.mark.req("NFR-017")
async def test_ended_runs_are_forgotten_with_events_and_evidence(bench: Any) -> None:
    """Those that ended before the moment; an open run stays, however old it is, and new ones begin as ever."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    ended = (await here.ended(await here.start_run("4711")))["run_id"]
    store_of_evidence = EvidenceStore(str(here.folder / "evidence"))
    address, digest, _ = await store_of_evidence.put(ended, "page", b"seen")
    here.worker.plan("one", lambda request: None)
    still_open = await here.start_run("4712")
    await here.eventually(lambda: any(request.run_id == still_open for request in here.worker.requests))

    engine, chains = open_engine(here.store), Chains()
    limits = Limits(lease_seconds=15, heartbeat_seconds=5, grace_seconds=10, notice_seconds=2, pickup_seconds=60,
                    republish_seconds=20)  # fmt: skip
    store = SqlRunStore(engine, limits=limits, worker_live_seconds=25, committed=lambda: None, chains=chains)
    assert await forget_old_runs(store=store, evidence=store_of_evidence, keep_seconds=3600) == 0
    assert await forget_old_runs(store=store, evidence=store_of_evidence, keep_seconds=0) == 1

    assert (await here.http.get(f"/runs/{ended}")).status_code == 404
    assert (await here.view(still_open))["ended_at"] is None
    with pytest.raises(Exception, match="no longer kept"):
        await store_of_evidence.get(address, digest)
    reader = SqlRunReader(engine, chains)
    assert {event.run_id for _, event in await reader.events_since(None, after=0, limit=100)} == {still_open}
    here.worker.plan("one", passed)
    assert (await here.ended(await here.start_run("4713")))["status"] == "success"
    await engine.dispose()
