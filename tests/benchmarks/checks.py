"""What a check costs beside the bare library that does the same work, side by side in one run.

Each pair takes turns, so that a noisy machine is equally noisy to both; the ratio is that of the medians. Beside the
time on the clock stands the processor time of this process, which others on the machine change least: targets and
databases are processes of their own.
"""

import asyncio
import gc
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import httpx2
import psutil
from parsel import Selector
from playwright.async_api import async_playwright
from steptrail_checks.attempt import Attempts
from steptrail_checks.politeness import OFF, Politeness
from steptrail_checks.port import CheckKind
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.workers import StepRequest
from steptrail_common.egress import EgressPolicy
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring, generate_keys, seal, target_host
from steptrail_common.testing.plugin import POSTGRES, Servers
from steptrail_common.testing.process import free_port
from steptrail_common.testing.requests import step_request
from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind
from steptrail_crawler.adapters.sessions import Sessions
from steptrail_crawler.adapters.web_crawl import WebCrawlKind
from steptrail_dbprobe.adapters.db_query import DbQueryKind
from steptrail_dbprobe.adapters.postgresql import PostgresqlEngine

from tests.benchmarks.noop import STEPS
from tests.e2e.conftest import CHROMIUM_FLAGS

Once = Callable[[], Awaitable[None]]
Figures = dict[str, float]
KEYS = generate_keys()
DB_PASSWORD = "bench"
AT_ONCE = 20
SECONDS_AT_ONCE = 5.0


@contextmanager
def target() -> Iterator[int]:
    """The site in a process of its own; its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.site", str(port)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


class Worker:
    """One kind of check with everything a worker does around it, but for the broker."""

    def __init__(self, kind: CheckKind, folder: Path) -> None:
        keyring = SecretsKeyring((KEYS.private,))
        polite = Politeness(rate=OFF, concurrency=1000)
        self._attempts = Attempts(kind, EvidenceStore(str(folder)), keyring, worker_id="bench", politeness=polite)

    async def check(self, request: StepRequest) -> None:
        result = await self._attempts.run(request, time.monotonic())
        if not result.ok:
            raise RuntimeError(f"the check failed: {result.message}")


def asked(
    check: dict[str, Any], asserts: list[dict[str, Any]], connection: SealedConnection | None = None
) -> Iterator[StepRequest]:
    """The same check again and again, in runs of as many attempts as the runs of the other benchmarks have steps."""
    request = step_request(
        check,
        connection=connection,
        assertions=asserts,
        share=False,
        timeout_seconds=30.0,
        lease_seconds=60.0,
        heartbeat_seconds=20.0,
    )
    for number in count():
        yield request.model_copy(update={"run_id": f"run-{number // STEPS}", "attempt": number % STEPS + 1})


class Spent(NamedTuple):
    """Median milliseconds of one check."""

    clock: float
    processor: float


async def pair(ours: Once, bare: Once, rounds: int) -> tuple[Spent, Spent]:
    """What (ours, bare) took, each in turn, after a tenth of the rounds to warm up."""
    clock: tuple[list[float], list[float]] = ([], [])
    processor: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + rounds // 10 + 1):
        for which, work in enumerate((ours, bare)):
            began, used = time.perf_counter(), time.process_time()
            await work()
            if turn > rounds // 10:
                clock[which].append((time.perf_counter() - began) * 1000)
                processor[which].append((time.process_time() - used) * 1000)
    medians = [Spent(statistics.median(clock[which]), statistics.median(processor[which])) for which in (0, 1)]
    return medians[0], medians[1]


def noted(figures: Figures, name: str, ours: Spent, bare: Spent) -> None:
    figures |= {f"{name}_ms": ours.clock, f"{name}_bare_ms": bare.clock, f"{name}_ratio": ours.clock / bare.clock}
    figures |= {f"{name}_processor_ms": ours.processor, f"{name}_bare_processor_ms": bare.processor}
    figures[f"{name}_processor_ratio"] = ours.processor / bare.processor


async def of_http(port: int, folder: Path, rounds: int) -> Figures:
    """A page and an API call beside a shared client, and how many API calls one core does."""
    base, figures = f"http://127.0.0.1:{port}", Figures()
    policy = EgressPolicy(exceptions=[f"127.0.0.1:{port}"])
    client = HttpClient(policy)
    kinds: dict[str, CheckKind] = {
        "web": WebCrawlKind(client),
        "api": ApiCallKind(client, Sessions(SecretsKeyring((KEYS.private,)))),
    }
    page, api = Worker(kinds["web"], folder), Worker(kinds["api"], folder)
    pages = asked(
        {"type": "web_crawl", "url": f"{base}/page", "conditional": False},
        [{"subject": "selector", "argument": ".number", "operators": {"eq": "4711"}}],
    )
    orders = asked(
        {"type": "api_call", "url": f"{base}/order"},
        [{"subject": "jsonpath", "argument": "$.state", "operators": {"eq": "SHIPPED"}}],
    )

    async with httpx2.AsyncClient() as bare:

        async def page_ours() -> None:
            await page.check(next(pages))

        async def page_bare() -> None:
            answer = await bare.get(f"{base}/page")
            assert Selector(answer.text).css(".number::text").get() == "4711"

        async def order_ours() -> None:
            await api.check(next(orders))

        async def order_bare() -> None:
            assert (await bare.get(f"{base}/order")).json()["state"] == "SHIPPED"

        noted(figures, "web_crawl", *await pair(page_ours, page_bare, rounds))
        noted(figures, "api_call", *await pair(order_ours, order_bare, rounds))
        figures["api_calls_per_second_per_core"] = await per_core(order_ours)
    for kind in kinds.values():
        await kind.close()
    await client.close()
    return figures


async def per_core(once: Once) -> float:
    """Checks per second of processor time, with 20 under way at once."""
    gc.collect()
    before, end, done = _cpu_seconds(), time.monotonic() + SECONDS_AT_ONCE, 0

    async def work() -> None:
        nonlocal done
        while time.monotonic() < end:
            await once()
            done += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return done / (_cpu_seconds() - before)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def of_database(url: str, folder: Path, rounds: int) -> Figures:
    """A query beside asyncpg with the same safety statements and a connection of its own."""
    parts = urlsplit(url.replace("+asyncpg", ""))
    plain = await asyncpg.connect(parts.geturl())
    await plain.execute(
        "create table if not exists bench_orders (id int primary key, state text); "
        "insert into bench_orders select g, 'PAID' from generate_series(1, 1000) g on conflict do nothing;"
        "drop role if exists bench_reader; create role bench_reader login password 'bench';"
        "grant select on bench_orders to bench_reader"
    )
    await plain.close()
    settings = {"kind": "postgresql", "host": parts.hostname, "port": parts.port, "database": parts.path[1:]}
    opened = SealedConnection.model_validate(
        {"connection_id": "bench", "settings": settings | {"username": "bench_reader", "tls": "disable"}}
    )
    sealed = seal(KEYS.public, DB_PASSWORD, connection_id="bench", field="password", host=target_host(opened.settings))
    connection = opened.model_copy(update={"sealed": {"password": sealed}})
    policy = EgressPolicy(exceptions=[f"127.0.0.1:{parts.port}"])
    kind = DbQueryKind({"postgresql": lambda: PostgresqlEngine(policy, SystemClock(), allow_superuser=False)})
    worker, figures = Worker(kind, folder), Figures()
    query = "select id, state from bench_orders where id = :id"
    queries = asked(
        {"type": "db_query", "connection": "bench", "query": query, "params": {"id": 47}},
        [{"subject": "column", "argument": "state", "operators": {"eq": "PAID"}}],
        connection,
    )

    async def ours() -> None:
        await worker.check(next(queries))

    async def bare() -> None:
        own = await asyncpg.connect(
            host=parts.hostname,
            port=parts.port,
            database=parts.path[1:],
            user="bench_reader",
            password=DB_PASSWORD,
            ssl=False,
            server_settings={
                "default_transaction_read_only": "on",
                "statement_timeout": "5000",
                "lock_timeout": "2000",
            },
        )
        try:
            await own.execute("begin read only")
            await own.execute("select 1")
            rows = await own.fetch("select id, state from bench_orders where id = $1", 47)
            assert rows[0]["state"] == "PAID"
            await own.execute("rollback")
        finally:
            await own.close()

    noted(figures, "db_query", *await pair(ours, bare, rounds))
    await kind.close()
    return figures


async def of_browser(port: int, folder: Path, chromium: str, *, rounds: int, pages: int) -> Figures:
    """A page in Chromium beside bare Playwright, pages per minute with 4 at once, and memory after many."""
    url = f"http://127.0.0.1:{port}/page"
    client = HttpClient(EgressPolicy(exceptions=[f"127.0.0.1:{port}"]))
    pool = BrowserPool(executable=Path(chromium), sandbox=None, max_memory_bytes=2_048_000_000)
    kind = RenderedKind(PageFetcher(client), pool, concurrency=4)
    worker, figures = Worker(kind, folder), Figures()
    rendered = asked(
        {"type": "web_crawl", "url": url, "render": True},
        [{"subject": "selector", "argument": ".number", "operators": {"eq": "4711"}}],
    )

    async def ours() -> None:
        await worker.check(next(rendered))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)

        async def bare() -> None:
            context = await browser.new_context()
            try:
                page = await context.new_page()
                await page.goto(url)
                assert await page.text_content(".number") == "4711"
                await page.screenshot()
            finally:
                await context.close()

        noted(figures, "rendered", *await pair(ours, bare, rounds))
        await browser.close()
    begun = time.perf_counter()
    gate = asyncio.Semaphore(4)

    async def one() -> None:
        async with gate:
            await ours()

    await asyncio.gather(*(one() for _ in range(pages)))
    figures["rendered_pages_per_minute"] = pages / (time.perf_counter() - begun) * 60
    figures["rendered_pages"] = float(pages)
    process = psutil.Process()
    figures["worker_memory_mb"] = process.memory_info().rss / 1e6
    figures["browser_memory_mb"] = sum(_memory(child) for child in process.children(recursive=True)) / 1e6
    await kind.close()
    await client.close()
    return figures


def _memory(process: psutil.Process) -> float:
    """Proportional, since the processes of a browser share most of theirs."""
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0


def measure(servers: Servers, chromium: str | None, *, rounds: int, pages: int) -> Figures:
    """Everything about single checks."""
    url = servers.get(POSTGRES).url
    with tempfile.TemporaryDirectory(prefix="steptrail-bench-") as scratch, target() as port:
        folder = Path(scratch)
        figures = asyncio.run(of_http(port, folder, rounds)) | asyncio.run(of_database(url, folder, rounds))
        if chromium:
            figures |= asyncio.run(of_browser(port, folder, chromium, rounds=max(rounds // 10, 5), pages=pages))
    return figures


def report(figures: Figures) -> None:
    """A table: ours, bare, ratio, on the clock and of the processor; then the single figures."""
    print(f"\n{'check':14}{'ours ms':>10}{'bare ms':>10}{'ratio':>8}{'ours cpu':>12}{'bare cpu':>10}{'ratio':>8}")
    for name in ("web_crawl", "api_call", "db_query", "rendered"):
        if f"{name}_ms" in figures:
            row = [figures[f"{name}{unit}"] for unit in ("_ms", "_bare_ms", "_ratio")]
            row += [figures[f"{name}{unit}"] for unit in ("_processor_ms", "_bare_processor_ms", "_processor_ratio")]
            print("{:14}{:>10.2f}{:>10.2f}{:>8.2f}{:>12.2f}{:>10.2f}{:>8.2f}".format(name, *row))
    single = {name: value for name, value in figures.items() if not name.endswith(("_ms", "_ratio"))}
    print(json.dumps({name: round(value, 1) for name, value in single.items()}))
