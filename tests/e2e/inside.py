"""The embedded product inside the test's own process, and a target beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from steptrail_common.service import running
from steptrail_embedded.compose import Embedded, Options, compose
from steptrail_embedded.paths import DataFolder


class Shop:
    """A target that counts its requests, and hangs while it is not open."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.address = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.open.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def opened_shop() -> AsyncIterator[Shop]:
    made = Shop()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


@asynccontextmanager
async def product(folder: Path, *shops: Shop) -> AsyncIterator[Embedded]:
    data = DataFolder(folder)
    data.prepare()
    whole = compose(Options(data=data, port=0, demo=False), shop_address=shops[0].address)
    async with running(whole.combined(), drain_seconds=5.0):
        yield whole


async def save(whole: Embedded, process_id: str, check: dict[str, Any]) -> None:
    """A process of one step."""
    steps = [{"id": "look", "name": "Look", "check": check, "timeout": "5m"}]
    document = {"version": 1, "process": process_id, "name": process_id, "steps": steps}
    await whole.catalog.request("POST", "/processes", json=document)


async def press(whole: Embedded, process_id: str) -> str:
    """Begin a run; its id."""
    answer = await whole.clients[1].request("POST", "/runs", json={"process_id": process_id, "inputs": {}})
    return str(answer.json()["run_id"])


async def until(whole: Embedded, run_id: str, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The run as soon as it is as wanted."""
    async with asyncio.timeout(60):
        while not good(view := await whole.clients[1].get_json(f"/runs/{run_id}")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return dict(view)


async def ended(whole: Embedded, run_id: str) -> dict[str, Any]:
    return await until(whole, run_id, lambda view: view["status"] not in ("queued", "running"))
