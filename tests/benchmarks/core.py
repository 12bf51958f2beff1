"""The orchestrator and one worker alone, on RabbitMQ and PostgreSQL: what carries the runs, without what shows them."""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import asyncpg
import httpx2
from steptrail_common.sealing import generate_keys
from steptrail_common.testing.plugin import POSTGRES, RABBITMQ, Servers
from steptrail_common.testing.process import free_port
from steptrail_common.testing.topology import SERVICE_COMMANDS

from tests.benchmarks import measures
from tests.benchmarks.noop import DEFINITION, STEPS, new_run
from tests.e2e.topologies import PYTHON, ServiceProcess

AT_ONCE = 100
"""Requests for new runs under way at the same moment."""
KEPT_SECONDS = 3.0
"""Less than the server keeps a connection that is idle."""
LIMIT_SECONDS = 300
_TOKEN = uuid4().hex * 2
_HEADERS = {"Authorization": f"Bearer {_TOKEN}", "X-Steptrail-Actor": "bench", "X-Steptrail-Role": "admin"}


@dataclass(frozen=True, slots=True)
class Core:
    """The running processes, and where to begin and to count runs."""

    url: str
    database: str
    processes: tuple[ServiceProcess, ...]


@contextmanager
def core(folder: Path, servers: Servers) -> Iterator[Core]:
    """Orchestrator and a worker that does nothing; a catalog on SQLite gives the definition once."""
    broker, database = servers.get(RABBITMQ).url, asyncio.run(new_database(servers.get(POSTGRES).url))
    ports = {name: free_port() for name in ("catalog", "orchestrator", "noop")}
    shared = {
        "STEPTRAIL_BUS": broker,
        "STEPTRAIL_LOG_LEVEL": "error",  # as the worker of Celery beside it
        "STEPTRAIL_SERVICE_TOKEN": _TOKEN,
        "STEPTRAIL_EVIDENCE": str(folder / "evidence"),
        "STEPTRAIL_CATALOG_STORE": f"sqlite+aiosqlite:///{folder}/catalog.sqlite",
        "STEPTRAIL_CATALOG_PUBLIC_KEY": generate_keys().public,
        "STEPTRAIL_CATALOG_PORT": str(ports["catalog"]),
        "STEPTRAIL_ORCHESTRATOR_STORE": database,
        "STEPTRAIL_ORCHESTRATOR_CATALOG_URL": f"http://127.0.0.1:{ports['catalog']}",
        "STEPTRAIL_ORCHESTRATOR_PORT": str(ports["orchestrator"]),
        "PYTHONPATH": str(Path.cwd()),
    }
    commands = {
        "catalog": SERVICE_COMMANDS["catalog"],
        "orchestrator": SERVICE_COMMANDS["orchestrator"],
        "noop": [PYTHON, "-m", "tests.benchmarks.noop", "distributed", broker, str(ports["noop"])],
    }
    with ExitStack() as stack:
        made = {
            name: ServiceProcess(name, command, shared, ports[name], "/readyz") for name, command in commands.items()
        }
        for process in made.values():
            stack.callback(process.discard)
            process.start()
        with httpx2.Client(base_url=made["catalog"].url, headers=_HEADERS, timeout=30) as catalog:
            answer = catalog.post("/processes", json=DEFINITION)
            assert answer.status_code == 201, answer.text
        yield Core(made["orchestrator"].url, database, (made["orchestrator"], made["noop"]))


async def measure(found: Core, *, runs: int, rounds: int, queued: int = 0) -> dict[str, float]:
    """Steps per second (median of the rounds), CPU per step of each process, gaps between steps, memory.

    `queued`: so many runs at once at the end, one round; their steps per second and the memory after them.
    """
    database = await asyncpg.connect(found.database.replace("+asyncpg", ""))
    client = _client()
    try:
        await _round(found, client, database, 10)
        await measures.analyze(found.database)
        before = cpu_seconds(found)
        many = [await _round(found, client, database, runs) for _ in range(rounds)]
        spent = {name: after - before[name] for name, after in cpu_seconds(found).items()}
        gaps = await _gaps(database, runs * rounds)
        memory = measures.memory_mb(found.processes)
        many_queued = {}
        if queued:
            many_queued = {
                "queued_steps_per_second": await _round(found, client, database, queued),
                "queued_memory_mb": measures.memory_mb(found.processes),
            }
    finally:
        await client.close()
        await database.close()
    steps = runs * rounds * STEPS
    return {
        "steps_per_second": statistics.median(many),
        "cpu_ms_per_step": 1000 * sum(spent.values()) / steps,
        **{f"{name}_cpu_ms_per_step": 1000 * seconds / steps for name, seconds in spent.items()},
        "gap_p50_ms": statistics.median(gaps),
        "gap_p99_ms": statistics.quantiles(gaps, n=100)[98],
        "memory_mb": memory,
        **many_queued,
    }


@asynccontextmanager
async def alone(found: Core) -> AsyncIterator[Callable[[int], Awaitable[list[float]]]]:
    """Gives what runs so many runs one after the other, and says the milliseconds from step to step."""
    database = await asyncpg.connect(found.database.replace("+asyncpg", ""))
    client = _client()

    async def gaps(runs: int) -> list[float]:
        found_gaps = []
        for _ in range(runs):
            await _round(found, client, database, 1)
            found_gaps += await _gaps(database, 1)
        return found_gaps

    try:
        yield gaps
    finally:
        await client.close()
        await database.close()


def _client() -> aiohttp.ClientSession:
    """Keeps its connections from round to round, as the gateway does, and as Celery's client keeps its own.

    aiohttp, because these requests share the cores with what is measured and should take little of them.
    """
    connector = aiohttp.TCPConnector(limit=AT_ONCE, keepalive_timeout=KEPT_SECONDS)
    return aiohttp.ClientSession(headers=_HEADERS, connector=connector)


async def _round(found: Core, client: aiohttp.ClientSession, database: "asyncpg.Connection", runs: int) -> float:
    """Steps per second from the first request to the last end, by the database's clock, which is this machine's.

    Not to when the end is seen: Celery's and DBOS's clients are told, and looking as often would slow what is measured.
    """
    ended = await database.fetchval("select count(*) from runs where ended_at is not null")
    began = time.time()

    async def several(count: int) -> None:
        for _ in range(count):
            async with client.post(f"{found.url}/runs", json=new_run()) as answer:
                assert answer.status == 202, await answer.text()

    await asyncio.gather(*(several(count) for count in _shares(runs)))
    async with asyncio.timeout(LIMIT_SECONDS):
        last = await _ended(database, ended + runs)
    return runs * STEPS / (last - began)


def _shares(runs: int) -> list[int]:
    """How many each of those begins who begin them at once."""
    return [runs // AT_ONCE + (number < runs % AT_ONCE) for number in range(min(AT_ONCE, runs))]


async def _ended(database: "asyncpg.Connection", wanted: int) -> float:
    """When the last run ended, in seconds since 1970.

    Counting ten thousand runs takes the database milliseconds: it may cost a hundredth of the time at most.
    """
    while True:
        began = time.perf_counter()
        count, last = await database.fetchrow("select count(ended_at), max(ended_at) from runs")
        if count >= wanted:
            return float(last.timestamp())
        await asyncio.sleep(max(0.01, 100 * (time.perf_counter() - began)))


async def _gaps(database: "asyncpg.Connection", runs: int) -> list[float]:
    """Milliseconds from the dispatch of a step to that of the next, of the newest runs."""
    rows = await database.fetch(
        "select 1000 * extract(epoch from dispatched_at - lag(dispatched_at) over "
        "(partition by run_id order by dispatched_at)) as gap from attempts "
        "where run_id in (select run_id from runs order by run_id desc limit $1)",
        runs,
    )
    return [float(row["gap"]) for row in rows if row["gap"] is not None]


def cpu_seconds(found: Core) -> dict[str, float]:
    """User and system time so far of each process."""
    return {process.name: measures.cpu_seconds([process]) for process in found.processes}


async def new_database(server_url: str) -> str:
    """The address of an empty database."""
    name = f"bench_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    await connection.execute(f"create database {name}")
    await connection.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


if __name__ == "__main__":
    servers = Servers()
    try:
        with tempfile.TemporaryDirectory(prefix="steptrail-core-") as scratch, core(Path(scratch), servers) as running:
            runs, rounds, queued = (int(word) for word in [*sys.argv[1:], "0"][:3])
            print(json.dumps(asyncio.run(measure(running, runs=runs, rounds=rounds, queued=queued)), indent=1))
    finally:
        servers.discard()
