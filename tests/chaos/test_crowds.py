"""Crowds: a target a hundred times slower than the others, and ten thousand runs that wait."""

import asyncio
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from steptrail_common.database import open_engine, reading

from ..e2e.product import FINAL, Product, poll
from .books import orchestrator_store
from .conftest import Stage
from .target import SLOW, WAIT, Target
from .test_chaos import FULL, QUICK_SECONDS

SLOW_RUNS, QUICK_RUNS = 60, 40
DELAY_SECONDS = 1.5
"""So much later than alone a quick run may end: a third of what one slow check takes."""
FEW, MANY, PLACES = 200, int(os.environ.get("STEPTRAIL_CHAOS_CROWD", "10000")), 40
SLOWER_MOST = 3.0
"""So many times slower a step may be with the many waiting than with the few."""
MORE_MEMORY_MB = 250.0
"""Above what a process took before, with the many waiting: 25 kB each in the process that holds most."""
CLIENTS = 8
_MB = 1024 * 1024


def _save(product: Product, aim: Target, process: str, step: str, **more: Any) -> None:
    check = {"type": "api_call", "url": f"{more.pop('url', aim.url)}/{step}/${{{{ inputs.order }}}}"}
    steps = [{"id": step, "name": step, "check": check, "timeout": more.pop("step_timeout", "30s")}]
    inputs = {"order": {"type": "string"}}
    body = {"version": 1, "process": process, "name": process, "inputs": inputs, "steps": steps} | more
    with product.client() as client:
        answer = client.post("/processes", json=body)
        assert answer.status_code == 201, answer.text


def _press(product: Product, process: str, count: int) -> list[str]:
    """So many runs, by several clients at once; their ids."""

    def some(first: int) -> list[str]:
        with product.client(gateway=first % len(product.urls)) as client:
            return [_accepted(client, process, f"{process}-{number}") for number in range(first, count, CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [run_id for found in pool.map(some, range(CLIENTS)) for run_id in found]


def _accepted(client: Any, process: str, order: str) -> str:
    answer = client.post("/runs", json={"process_id": process, "inputs": {"order": order}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


def _ended(product: Product, run_ids: list[str]) -> list[dict[str, Any]]:
    with product.client() as client:
        views = []
        for run_id in run_ids:
            for _ in poll(120, every=0.1):
                view = client.get(f"/runs/{run_id}").json()
                if view["status"] in FINAL:
                    break
            views.append(view)
    return views


def _p95(views: list[dict[str, Any]]) -> float:
    return statistics.quantiles([view["duration_seconds"] for view in views], n=20)[-1]


@pytest.mark.skipif(not FULL, reason="only in `make chaos`")
@pytest.mark.req("NFR-001", "FR-007")
def test_a_target_a_hundred_times_slower_keeps_no_other_waiting(stage: Stage) -> None:
    """Sixty runs against it, without any limit, fill not all workers: quick runs of another target end as if alone."""
    stage.target.seconds = QUICK_SECONDS
    _save(stage.product, stage.target, "slow-lane", SLOW)
    _save(stage.product, stage.target, "quick-lane", "quick", url=stage.target.beside)
    alone = _p95(_ended(stage.product, _press(stage.product, "quick-lane", QUICK_RUNS)))
    slow = _press(stage.product, "slow-lane", SLOW_RUNS)
    time.sleep(1.0)
    beside = _p95(_ended(stage.product, _press(stage.product, "quick-lane", QUICK_RUNS)))
    with stage.product.client() as client:
        still = client.get(f"/runs/{slow[-1]}").json()["status"]
    assert {view["status"] for view in _ended(stage.product, slow)} == {"success"}
    assert still not in FINAL, "the slow ones were over before the quick ones: nothing was shown"
    assert beside < alone + DELAY_SECONDS, f"{beside:.2f} s beside the slow target, {alone:.2f} s alone"


async def _open(product: Product, process: str) -> int:
    engine = open_engine(orchestrator_store(product))
    query = sa.text("SELECT count(*) FROM runs WHERE process_id = :process AND ended_at IS NULL")
    try:
        async with reading(engine) as connection:
            return int(await connection.scalar(query, {"process": process}) or 0)
    finally:
        await engine.dispose()


def _memory(product: Product) -> dict[str, float]:
    found = {name: process.pid for name, process in product.processes.items() if name != "shop"}
    return {name: psutil.Process(pid).memory_info().rss / _MB for name, pid in found.items() if pid is not None}


@pytest.mark.skipif(not FULL, reason="only in `make chaos`")
@pytest.mark.timeout(1800)
@pytest.mark.req("NFR-001", "NFR-017")
def test_ten_thousand_waiting_runs_cost_no_pace_and_little_memory(stage: Stage) -> None:
    """All accepted, all waiting for their turn under a limit: they end at a pace within sight of that of two hundred,
    and no process holds them in memory."""
    stage.target.seconds = 0.0
    paces, most = {}, _memory(stage.product)
    before = dict(most)
    for process, count in (("few", FEW), ("many", MANY)):
        stage.target.open.clear()
        _save(stage.product, stage.target, process, WAIT, concurrency=PLACES, timeout="2h", step_timeout="1h")
        assert len(set(_press(stage.product, process, count))) == count
        assert asyncio.run(_open(stage.product, process)) == count
        began = time.monotonic()
        stage.target.open.set()
        for _ in poll(1200, every=0.2):
            most = {name: max(taken, most.get(name, 0.0)) for name, taken in _memory(stage.product).items()}
            if not asyncio.run(_open(stage.product, process)):
                break
        paces[process] = count / (time.monotonic() - began)
    grown = {name: round(most[name] - before[name]) for name in before if most[name] - before[name] > MORE_MEMORY_MB}
    assert asyncio.run(_open(stage.product, "many")) == 0
    assert grown == {}, f"MB more than before: {grown}"
    assert paces["many"] > paces["few"] / SLOWER_MOST, f"runs in a second: {paces}"
    print(f"runs in a second: {paces}; MB at most: {most}")
