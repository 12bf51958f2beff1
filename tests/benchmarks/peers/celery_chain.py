"""The peers' work in Celery: chains of ten tasks that do nothing, on RabbitMQ, results in Redis, acknowledged late.

Runs in an environment of its own: `celery_chain.py RUNS STEPS ROUNDS`; prints one line of JSON.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from celery import Celery, chain

app = Celery("celery_chain", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_delivery_mode="persistent",
    task_default_queue_type="quorum",
    worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True},
    worker_prefetch_multiplier=50,
    worker_hijack_root_logger=False,
)


@app.task
def noop() -> float:
    """One step; returns when it began."""
    return time.time()


def throughput(runs: int, steps: int, gaps: list[float]) -> float:
    """Steps per second, from the first call to the last result. Adds the milliseconds between steps to `gaps`."""
    began = time.perf_counter()
    results = [chain(*(noop.si() for _ in range(steps))).apply_async() for _ in range(runs)]
    for result in results:
        result.get(timeout=120)
    elapsed = time.perf_counter() - began
    for result in results:
        times = []
        while result is not None:
            times.append(result.get(timeout=10))
            result = result.parent
        gaps += [1000 * (later - earlier) for later, earlier in pairwise(times)]
    return runs * steps / elapsed


def main() -> None:
    runs, steps, rounds = map(int, sys.argv[1:4])
    here = Path(__file__).parent
    command = [sys.executable, "-m", "celery", "-A", "celery_chain", "worker", "-c", "2", "--loglevel", "ERROR"]
    worker = subprocess.Popen(command, cwd=here)
    try:
        throughput(5, steps, [])
        gaps: list[float] = []
        before = cpu_seconds(worker.pid)
        figures = [throughput(runs, steps, gaps) for _ in range(rounds)]
        cpu = (cpu_seconds(worker.pid) - before) / (rounds * runs * steps)
        found = {
            "steps_per_second": figures,
            "cpu_ms_per_step": 1000 * cpu,
            "memory_mb": memory(worker.pid),
            "gap_p99_ms": statistics.quantiles(gaps, n=100)[98],
        }
        print(json.dumps(found))
    finally:
        worker.terminate()
        worker.wait(timeout=30)


def family(root: int) -> list[int]:
    """This process, the worker and all that it started."""
    found = [root]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found += [int(child) for child in children]
    return [os.getpid(), *found]


def cpu_seconds(root: int) -> float:
    """User and system time: fields 14 and 15 of /proc/PID/stat, behind the name in brackets."""
    ticks = os.sysconf("SC_CLK_TCK")
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in family(root)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / ticks


def memory(root: int) -> float:
    """Resident megabytes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family(root)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
