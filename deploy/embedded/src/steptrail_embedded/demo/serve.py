"""Serving the shop: beside an embedded Steptrail, or as a process of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from steptrail_embedded.demo.shop import build_shop, prepare_files

FILE_LIFE_SECONDS = 6 * 3600
"""How often the shop delivers its files anew, so that they stay younger than the day its process allows."""


class _QuietServer(uvicorn.Server):
    """Leaves signals to the process around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def shop_running(folder: Path, host: str, port: int) -> AsyncIterator[str]:
    """The shop's address while the block runs. Port 0 takes a free one."""
    await asyncio.to_thread(prepare_files, folder)
    listener = socket.create_server((host, port))
    server = _QuietServer(uvicorn.Config(build_shop(folder), log_level="warning", access_log=False, lifespan="off"))
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]), name="demo-shop"),
        asyncio.create_task(_deliver_again(folder), name="demo-deliveries"),
    ]
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()


async def _deliver_again(folder: Path) -> None:
    while True:
        await asyncio.sleep(FILE_LIFE_SECONDS)
        await asyncio.to_thread(prepare_files, folder)


async def serve_shop(folder: Path, host: str, port: int) -> None:
    """Serve until cancelled."""
    async with shop_running(folder, host, port):
        await asyncio.Event().wait()
