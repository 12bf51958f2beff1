"""Live streams: many browsers at one gateway, every event to each of them, beside sse-starlette sending the same.

`python -m tests.benchmarks.streams CLIENTS SECONDS` measures alone; `make bench ARGS="--only streams"` with the table.
The clients are bare sockets in a process of their own: they count and note how old each event is, no more.
"""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx2
import psutil
import uvloop
from steptrail_common.testing.plugin import Servers
from steptrail_common.testing.process import free_port

from tests.benchmarks import measures, peers
from tests.benchmarks.noop import LASTS, STEPS, new_run
from tests.e2e.topologies import PYTHON

CLIENTS = 1000
SECONDS = 15.0
STEP_SECONDS = 0.1
"""One run after the other, of ten steps that last so long: about twenty events a second, evenly spread."""
MANY_CLIENTS, MANY_STEP_SECONDS = 5000, 0.5
"""So many are held open by one process, at four events a second: twenty thousand deliveries a second, as of a thousand
at twenty."""
_AT = re.compile(rb'"at":"([^"]+)"')


class _Reader(asyncio.Protocol):
    """One browser: asks for the stream, then counts events and notes how old each is when it arrives."""

    def __init__(self, request: bytes, ages: list[float]) -> None:
        self._request = request
        self._ages = ages
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(self._request)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        now = time.time()
        text = self._rest + data
        whole, _, self._rest = text.rpartition(b"\n\n")
        for found in _AT.finditer(whole):
            self._ages.append(now - datetime.fromisoformat(found[1].decode()).timestamp())


async def clients(url: str, path: str, token: str, count: int, seconds: float) -> None:
    """Open `count` streams, say so, and after `seconds` print the figures as a line of JSON."""
    place = urlsplit(url)
    head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: text/event-stream\r\n"
    request = f"{head}Authorization: Bearer {token}\r\n\r\n".encode()
    ages: list[float] = []
    loop = asyncio.get_running_loop()
    kept = []
    for start in range(0, count, 50):
        some = range(start, min(start + 50, count))
        kept += await asyncio.gather(
            *(loop.create_connection(lambda: _Reader(request, ages), place.hostname, place.port) for _ in some)
        )
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    print("open", flush=True)
    await asyncio.sleep(seconds)
    cuts = statistics.quantiles(ages, n=100)
    print(json.dumps({"deliveries": len(ages), "p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98]}), flush=True)
    for transport, _ in kept:
        transport.close()


async def _watched(
    server: psutil.Process, url: str, path: str, token: str, tell: Callable[[], Awaitable[int]], count: int
) -> dict[str, float]:
    """What the clients saw while `tell` made that many events, and the server's processor time per delivery."""
    command = [PYTHON, "-m", "tests.benchmarks.streams", "clients", url, path, token, str(count), str(SECONDS + 6)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    before = server.cpu_times()
    events = await tell()
    await asyncio.sleep(1)
    after = server.cpu_times()
    figures: dict[str, float] = json.loads(await process.stdout.readline())
    await process.wait()
    spent = after.user + after.system - before.user - before.system
    deliveries = figures.pop("deliveries")
    return {**figures, "delivered": deliveries / (events * count), "cpu_us_per_delivery": 1e6 * spent / deliveries}


async def _of_gateway(
    url: str, token: str, server: psutil.Process, count: int, step_seconds: float
) -> dict[str, float]:
    """One run after the other; the events are counted in the history of the runs."""

    async def tell() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
            made = []
            for _ in range(round(SECONDS / (STEPS * step_seconds))):
                made.append((await client.post("/runs", json=new_run())).json()["run_id"])
                await asyncio.sleep(STEPS * step_seconds)
            await asyncio.sleep(1)  # the last one may still be on its way
            histories = [(await client.get(f"/runs/{run}/events", params={"limit": 200})).json() for run in made]
            return sum(len(history["items"]) for history in histories)

    return await _watched(server, url, "/api/v1/events", token, tell, count)


async def _of_peer(count: int) -> dict[str, float]:
    """sse-starlette, which sends events of the same size at the same pace from the moment it is told to."""
    port = free_port()
    python = peers.environment("sse", "sse-starlette==3.7.0 uvicorn[standard]")
    script = peers.HERE / "sse_starlette_server.py"
    process = await asyncio.create_subprocess_exec(python, script, str(port), "20", str(SECONDS))
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            for _ in range(100):
                try:
                    await client.get("/ready")
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)

            async def tell() -> int:
                answer = await client.post("/tell", timeout=SECONDS + 30)
                return int(answer.json()["events"])

            return await _watched(psutil.Process(process.pid), url, "/events", "none", tell, count)
    finally:
        process.terminate()
        await process.wait()


def measure(servers: Servers, *, count: int = CLIENTS) -> dict[str, dict[str, float]]:
    """`streams`: our gateway; `sse_starlette`: the library alone; `many_streams`: our gateway with five thousand.
    Shares, milliseconds, microseconds, megabytes."""
    return {
        "streams": _measured(servers, count, STEP_SECONDS),
        "sse_starlette": asyncio.run(_of_peer(count)),
        "many_streams": _measured(servers, MANY_CLIENTS, MANY_STEP_SECONDS),
    }


def _measured(servers: Servers, count: int, step_seconds: float) -> dict[str, float]:
    from tests.benchmarks.__main__ import noop_distributed

    settings = {"STEPTRAIL_GATEWAY_STREAMS_PER_USER": str(2 * count), LASTS: str(step_seconds)}
    with (
        tempfile.TemporaryDirectory(prefix="steptrail-streams-") as scratch,
        noop_distributed(Path(scratch), servers, settings=settings) as product,
    ):
        gateway = product.processes["gateway-1"]
        asyncio.run(measures.define(product))
        server = next(iter(measures.families([gateway])))
        figures = asyncio.run(_of_gateway(product.url, product.token, server, count, step_seconds))
        return {**figures, "memory_mb": measures.memory_mb([gateway])}


def report(found: dict[str, dict[str, float]]) -> None:
    """Ours beside the library's."""
    print(f"\n{'live streams':28}{'gateway':>12}{'sse-starlette':>16}{f'{MANY_CLIENTS} at one':>16}")
    for name, value in found["streams"].items():
        theirs = f"{found['sse_starlette'][name]:.3f}" if name in found["sse_starlette"] else ""
        print(f"{name:28}{value:>12.3f}{theirs:>16}{found['many_streams'][name]:>16.3f}")


if __name__ == "__main__":
    if sys.argv[1] == "clients":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(clients(*sys.argv[2:5], int(sys.argv[5]), float(sys.argv[6])))
    else:
        SECONDS = float(sys.argv[2])
        own = Servers()
        try:
            report(measure(own, count=int(sys.argv[1])))
        finally:
            own.discard()
