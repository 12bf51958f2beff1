"""The peers' work in DBOS: durable workflows of ten steps that do nothing, on PostgreSQL.

Runs in an environment of its own: `dbos_workflow.py RUNS STEPS ROUNDS`; prints one line of JSON.
"""

import asyncio
import json
import os
import resource
import sys
import time

from dbos import DBOS, DBOSConfig

STEPS = int(sys.argv[2])


@DBOS.step()
async def noop() -> None:
    """One step."""


@DBOS.workflow()
async def ten_steps() -> None:
    """One run."""
    for _ in range(STEPS):
        await noop()


async def throughput(runs: int) -> float:
    """Steps per second, from the first start to the last result."""
    began = time.perf_counter()
    handles = [await DBOS.start_workflow_async(ten_steps) for _ in range(runs)]
    await asyncio.gather(*(handle.get_result() for handle in handles))
    return runs * STEPS / (time.perf_counter() - began)


async def main() -> None:
    runs, _, rounds = map(int, sys.argv[1:4])
    address = os.environ["DATABASE"]
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": address,
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    await throughput(5)
    before = resource.getrusage(resource.RUSAGE_SELF)
    figures = [await throughput(runs) for _ in range(rounds)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (rounds * runs * STEPS)
    memory = after.ru_maxrss / 1000
    print(json.dumps({"steps_per_second": figures, "cpu_ms_per_step": 1000 * cpu, "memory_mb": memory}))
    DBOS.destroy()


asyncio.run(main())
