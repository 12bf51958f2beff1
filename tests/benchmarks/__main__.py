"""`make bench`: embedded and distributed beside a bare loop, and checks beside the bare libraries, in one run."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steptrail_common.testing import programs
from steptrail_common.testing.plugin import POSTGRES, RABBITMQ, Servers
from steptrail_common.testing.process import free_port

from tests.benchmarks import alone, checks, core, floor, measures, peers, streams, targets
from tests.benchmarks.noop import STEPS
from tests.e2e.product import PASSWORD, Product, poll
from tests.e2e.topologies import PYTHON, ServiceProcess, distributed

RESULTS = Path("bench-results")
Measure = Callable[[], Coroutine[Any, Any, float]]


@contextmanager
def noop_embedded(folder: Path) -> Iterator[Product]:
    """The embedded product with a worker that does nothing."""
    port = free_port()
    command = [PYTHON, "-m", "tests.benchmarks.noop", "embedded", str(folder), str(port)]
    variables = {"STEPTRAIL_ADMIN_PASSWORD": PASSWORD, "PYTHONPATH": str(Path.cwd())}
    process = ServiceProcess("embedded", command, variables, port, "/readyz")
    process.start()
    try:
        for _ in poll(30):
            if (folder / "access.json").exists():
                break
        token = json.loads((folder / "access.json").read_text())["token"]
        yield Product("embedded", [process.url], token, folder, {"embedded": process})
    finally:
        process.discard()


@contextmanager
def noop_distributed(folder: Path, servers: Servers, *, settings: Mapping[str, str] | None = None) -> Iterator[Product]:
    """The distributed product, one replica each, with that worker in place of the crawler."""
    with distributed(folder, servers, replicas=1, settings=settings) as product:
        product.processes["crawler-1"].stop()
        port = free_port()
        command = [PYTHON, "-m", "tests.benchmarks.noop", "distributed", product.servers["rabbitmq"].url, str(port)]
        variables = {"PYTHONPATH": str(Path.cwd()), **(settings or {})}
        worker = ServiceProcess("noop", command, variables, port, "/readyz")
        worker.start()
        product.processes["noop"] = worker  # its processor time and memory belong to the product's
        try:
            yield product
        finally:
            del product.processes["noop"]
            worker.discard()


def startup_seconds(folder: Path) -> float:
    """From the command to the first answer, at the second start with the demo."""
    seconds = 0.0
    for _ in range(2):
        port = free_port()
        command = [PYTHON, "-m", "steptrail_embedded", "up", "--port", str(port), "--data", str(folder), "--demo"]
        process = ServiceProcess("steptrail", command, {}, port, "/readyz")
        began = time.perf_counter()
        process.start()
        seconds = time.perf_counter() - began
        process.stop()
        process.discard()
    return seconds


async def of_product(product: Product, chromium: str | None, *, runs: int, rounds: int) -> dict[str, float]:
    await measures.define(product)
    await measures.throughput(product, runs=10)
    if "postgres" in product.servers:
        await measures.analyze(product.servers["postgres"].url)
    before = measures.cpu_seconds(product.processes.values())
    many = [await measures.throughput(product, runs=runs) for _ in range(rounds)]
    cpu = measures.cpu_seconds(product.processes.values()) - before
    figures = {
        "steps_per_second": statistics.median(many),
        "cpu_ms_per_step": 1000 * cpu / (rounds * runs * STEPS),
        "memory_mb": measures.memory_mb(product.processes.values()),
        "overhead_per_step_ms": await measures.overhead_ms(product),
    }
    if chromium:
        figures |= await measures.in_a_browser(product, chromium)
    return figures


async def of_floor(servers: Servers, *, runs: int, rounds: int) -> dict[str, float]:
    async with floor.bare_loop(servers.get(RABBITMQ).url, servers.get(POSTGRES).url) as bare:
        await bare.steps_per_second(runs=10, steps=STEPS)
        before = bare.cpu_seconds()
        many = [await bare.steps_per_second(runs=runs, steps=STEPS) for _ in range(rounds)]
        spent = bare.cpu_seconds() - before
        alone = await bare.steps_per_second(runs=1, steps=50)
    return {
        "steps_per_second": statistics.median(many),
        "overhead_per_step_ms": 1000 / alone,
        "cpu_ms_per_step": 1000 * spent / (runs * STEPS * rounds),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check-rounds", type=int, default=200, help="checks of each kind, each beside its bare twin")
    parser.add_argument("--pages", type=int, default=1000, help="pages shown in Chromium before memory is measured")
    parser.add_argument("--queued", type=int, default=0, help="runs that wait at once, at the end: 10000 for target P4")
    parser.add_argument("--only", choices=["orchestration", "checks", "streams"])
    options = parser.parse_args()
    size = {"runs": options.runs, "rounds": options.rounds}
    servers = Servers()
    found: dict[str, dict[str, float]] = {}
    path = programs.chromium()
    chromium = str(path) if path else None
    try:
        if options.only in (None, "checks"):
            found["checks"] = checks.measure(servers, chromium, rounds=options.check_rounds, pages=options.pages)
            checks.report(found["checks"])
        if options.only in (None, "streams"):
            found |= (live := streams.measure(servers))
            streams.report(live)
        if options.only in (None, "orchestration"):
            orchestration = of_orchestration(servers, chromium, size, queued=options.queued)
            report(orchestration)
            found |= orchestration
    finally:
        servers.discard()
    print()
    print(*targets.lines(found), sep="\n")
    write(found, size)
    return 0


def of_orchestration(
    servers: Servers, chromium: str | None, size: dict[str, int], *, queued: int
) -> dict[str, dict[str, float]]:
    """Both topologies, between two measurements of the floor."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="steptrail-bench-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        found["floor"] = asyncio.run(of_floor(servers, **size))
        (folder / "embedded").mkdir()
        with noop_embedded(folder / "embedded") as product:
            found["embedded"] = asyncio.run(of_product(product, chromium, **size))
        found["embedded"]["second_start_seconds"] = startup_seconds(folder / "start")
        (folder / "distributed").mkdir()
        with noop_distributed(folder / "distributed", servers) as product:
            found["distributed"] = asyncio.run(of_product(product, chromium, **size))
        (folder / "core").mkdir()
        with core.core(folder / "core", servers) as running:
            found["core"] = asyncio.run(core.measure(running, **size, queued=queued))
            found["alone"] = asyncio.run(alone.measure(running, servers))
        found |= peers.measure(servers, steps=STEPS, **size)
        again = asyncio.run(of_floor(servers, **size))
        found["floor"] = {name: (value + again[name]) / 2 for name, value in found["floor"].items()}
    return found


def report(found: dict[str, dict[str, float]]) -> None:
    """A table with ratios to the floor."""
    bare = found["floor"]
    print(f"\n{'figure':28}{'floor':>12}{'embedded':>12}{'ratio':>8}{'distributed':>13}{'ratio':>8}")
    names = dict.fromkeys(name for topology in ("floor", "embedded", "distributed") for name in found[topology])
    for name in names:
        line = f"{name:28}{_cell(bare.get(name)):>12}"
        for topology, width in (("embedded", 12), ("distributed", 13)):
            value = found[topology].get(name)
            ratio = f"{value / bare[name]:.2f}" if value is not None and name in bare else ""
            line += f"{_cell(value):>{width}}{ratio:>8}"
        print(line)
    print("\nfloor: a bare aio-pika and asyncpg loop, measured before and after.")
    print("\norchestrator and worker alone:")
    for name, value in found["core"].items():
        print(f"{name:34}{_cell(value):>10}")
    print("\none run alone, in turns with the floor and with a bare loop that writes the same rows:")
    for name, value in found["alone"].items():
        print(f"{name:34}{_cell(value):>10}")
    report_peers(found)


def report_peers(found: dict[str, dict[str, float]]) -> None:
    """The same work by others, and how many times theirs ours is."""
    print(f"\n{'peer':12}{'steps/s':>10}{'CPU ms/step':>14}{'MB':>8}{'embedded':>12}{'distributed':>13}{'core':>10}")
    for name in peers.PEERS:
        if name in found:
            theirs = found[name]
            line = f"{name:12}{theirs['steps_per_second']:>10.0f}"
            line += f"{theirs['cpu_ms_per_step']:>14.2f}{theirs['memory_mb']:>8.0f}"
            for topology, width in (("embedded", 12), ("distributed", 13), ("core", 10)):
                ratio = found[topology]["steps_per_second"] / theirs["steps_per_second"]
                line += f"{ratio:>{width - 2}.2f} ×"
            print(line)


def write(found: dict[str, dict[str, float]], size: dict[str, int]) -> None:
    """All figures as JSON."""
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    document = {"at": at.isoformat(), "machine": machine, **size, "figures": found}
    target = RESULTS / f"{at:%Y%m%d-%H%M%S}.json"
    target.write_text(json.dumps(document, indent=2))
    print(f"Written: {target}")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
