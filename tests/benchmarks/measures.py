"""What is measured of a running product, through its own front doors."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterable
from typing import Any

import aiohttp
import asyncpg
import httpx2
import psutil
from playwright.async_api import async_playwright

from tests.benchmarks.noop import DEFINITION, PROCESS_ID, STEPS, new_run
from tests.e2e.conftest import CHROMIUM_FLAGS
from tests.e2e.product import PASSWORD, Product
from tests.e2e.topologies import ServiceProcess

CLICKS = 20
RUN_LIMIT_SECONDS = 120


def api(product: Product) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=200)
    headers = {"Authorization": f"Bearer {product.token}"}
    return httpx2.AsyncClient(base_url=f"{product.url}/api/v1", headers=headers, timeout=60, limits=limits)


async def analyze(server_url: str) -> None:
    """What PostgreSQL does by itself a minute after tables began to fill; until then its plans are made for empty ones."""
    server = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    names = await server.fetch("select datname from pg_database where datallowconn and not datistemplate")
    await server.close()
    for name in names:
        database = await asyncpg.connect(server_url.replace("+asyncpg", ""), database=name["datname"])
        await database.execute("analyze")
        await database.close()


async def define(product: Product) -> None:
    """Save the process of no-op steps."""
    async with api(product) as client:
        answer = await client.post("/processes", json=DEFINITION)
        assert answer.status_code in (201, 409), answer.text


async def throughput(product: Product, *, runs: int) -> float:
    """Steps per second with `runs` started at once: from the first request to the last `run.finished` in a stream."""
    # aiohttp, because these requests share the cores with what is measured and should take little of them.
    headers = {"Authorization": f"Bearer {product.token}"}
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(f"{product.url}/api/v1/", headers=headers, connector=connector) as client:
        wanted: set[str] = set()
        finished: dict[str, str] = {}
        ready, done = asyncio.Event(), asyncio.Event()
        watching = asyncio.create_task(_watch(client, wanted, finished, ready, done, runs))
        await ready.wait()
        began = time.perf_counter()
        wanted.update(await asyncio.gather(*(_begun(client) for _ in range(runs))))
        async with asyncio.timeout(RUN_LIMIT_SECONDS):
            while not wanted <= finished.keys():
                await asyncio.sleep(0.005)
        elapsed = time.perf_counter() - began
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert set(finished.values()) == {"success"}, set(finished.values())
        return runs * STEPS / elapsed


async def _begun(client: aiohttp.ClientSession) -> str:
    """The id of a new run."""
    async with client.post("runs", json=new_run()) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["run_id"])


async def _watch(
    client: aiohttp.ClientSession,
    wanted: set[str],
    finished: dict[str, str],
    ready: asyncio.Event,
    done: asyncio.Event,
    runs: int,
) -> None:
    params = {"process_id": PROCESS_ID}
    endless = aiohttp.ClientTimeout(total=None)
    asked = client.get("events", params=params, headers={"Accept": "text/event-stream"}, timeout=endless)
    async with asked as answer:
        ready.set()
        name = b""
        async for line in answer.content:
            if line.startswith(b"event:"):
                name = line[6:].strip()
            elif line.startswith(b"data:") and name == b"run.finished":
                data = json.loads(line[5:])
                finished[data["run_id"]] = data["status"]


def cpu_seconds(processes: Iterable[ServiceProcess]) -> float:
    """User and system time so far of all of them, those they started included."""
    return sum(sum(process.cpu_times()[:2]) for process in families(processes))


def memory_mb(processes: Iterable[ServiceProcess]) -> float:
    """Resident, of all of them, those they started included."""
    return sum(process.memory_info().rss for process in families(processes)) / 1e6


def families(processes: Iterable[ServiceProcess]) -> list[psutil.Process]:
    """The processes that listen, and those they started."""
    mine = {f"127.0.0.1:{process.port}" for process in processes}
    roots = [
        psutil.Process(pid)
        for pid in {
            connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.status == psutil.CONN_LISTEN and f"127.0.0.1:{connection.laddr.port}" in mine
        }
        if pid
    ]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


async def overhead_ms(product: Product) -> float:
    """Median milliseconds per step of a run alone, beyond what its checks took."""
    found = []
    async with api(product) as client:
        for _ in range(10):
            run = await _run(client)
            checks = sum(step["duration_seconds"] or 0.0 for step in run["steps"])
            found.append((run["duration_seconds"] - checks) / STEPS * 1000)
    return statistics.median(found)


async def _run(client: httpx2.AsyncClient) -> dict[str, Any]:
    run_id = (await client.post("/runs", json=new_run())).json()["run_id"]
    while True:
        run: dict[str, Any] = (await client.get(f"/runs/{run_id}")).json()
        if run["ended_at"]:
            return run
        await asyncio.sleep(0.02)


IN_PAGE = """async ({process, clicks}) => {
  const source = new EventSource('/api/v1/events?process_id=' + process);
  await new Promise((resolve, reject) => { source.onopen = resolve; source.onerror = reject; });
  const results = [];
  for (let i = 0; i < clicks; i++) {
    const times = {};
    const began = performance.now();
    let mine = null; const early = [];
    const note = (event) => {
      const data = JSON.parse(event.data);
      if (mine === null) { early.push([data, performance.now()]); return; }
      take(data, performance.now());
    };
    let finish; const finished = new Promise((resolve) => { finish = resolve; });
    const take = (data, at) => {
      if (data.run_id !== mine) return;
      if (times.first === undefined) times.first = at - began;
      if (data.type === 'step.started' && times.step === undefined) times.step = at - began;
      if (data.type === 'run.finished') finish();
    };
    for (const name of ['run.queued', 'run.started', 'step.started', 'run.finished']) source.addEventListener(name, note);
    const answer = await fetch('/api/v1/runs', {method: 'POST', headers: {'Content-Type': 'application/json',
      'X-Steptrail-Request': '1'}, body: JSON.stringify({process_id: process, inputs: {}})});
    mine = (await answer.json()).run_id;
    for (const [data, at] of early) take(data, at);
    await finished;
    for (const name of ['run.queued', 'run.started', 'step.started', 'run.finished']) source.removeEventListener(name, note);
    results.push(times);
  }
  source.close();
  return results;
}"""


async def in_a_browser(product: Product, chromium: str) -> dict[str, float]:
    """Milliseconds from pressing Check to the first event and to `step.started`, as a page in Chromium sees them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = await browser.new_page(base_url=product.url)
        await page.goto("/")
        await page.get_by_label("User name").fill("admin")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Overview").wait_for()
        found = await page.evaluate(IN_PAGE, {"process": PROCESS_ID, "clicks": CLICKS})
        await browser.close()
    first = sorted(times["first"] for times in found)
    started = sorted(times["step"] for times in found)
    return {
        "first_event_p50_ms": first[len(first) // 2],
        "first_event_p95_ms": first[int(len(first) * 0.95) - 1],
        "step_started_p50_ms": started[len(started) // 2],
    }
