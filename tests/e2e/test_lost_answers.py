"""Answers that are confirmed and then lost with their queue: the broker is disposable, no target is asked twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.workers import RESULTS_QUEUE
from steptrail_common.service import running
from steptrail_embedded.compose import Embedded, Options, compose
from steptrail_embedded.paths import DataFolder


class Shop:
    """A target that counts its requests."""

    def __init__(self) -> None:
        self.asked = 0
        self.address = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


class Lossy:
    """Loses so many confirmed messages to the queue of results, as somebody does who deletes it."""

    def __init__(self, whole: Embedded, count: int) -> None:
        self.left = count
        self._publish = whole.broker.publish
        whole.broker.publish = self.publish  # type: ignore[method-assign]

    def publish(self, destination: Destination, message: Message) -> None:
        if destination.queue == RESULTS_QUEUE and self.left:
            self.left -= 1
            return
        self._publish(destination, message)


@asynccontextmanager
async def product(folder: Path, shop: Shop) -> AsyncIterator[Embedded]:
    data = DataFolder(folder)
    data.prepare()
    whole = compose(Options(data=data, port=0, demo=False), shop_address=shop.address)
    async with running(whole.combined(), drain_seconds=5.0):
        yield whole


async def ended(whole: Embedded, run_id: str) -> dict[str, Any]:
    orchestrator = whole.clients[1]
    async with asyncio.timeout(60):
        while True:
            view = await orchestrator.get_json(f"/runs/{run_id}")
            if view["status"] not in ("queued", "running"):
                return dict(view)
            await asyncio.sleep(0.1)


@pytest.mark.req("NFR-006", "NFR-008")
async def test_an_answer_that_was_lost_comes_again_without_another_request_to_the_target(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in a row: the orchestrator asks again with the same token, the worker sends the answer it has, and that
    counts once. An order that a step placed was placed once."""
    monkeypatch.setenv("STEPTRAIL_ORCHESTRATOR_REPUBLISH_SECONDS", "0.5")
    async with product(tmp_path, shop) as whole:
        lossy = Lossy(whole, 2)
        check = {"type": "api_call", "method": "POST", "url": f"http://{shop.address}/orders", "json": {"order": 1}}
        steps = [{"id": "order", "name": "Order", "check": check}]
        await whole.catalog.request(
            "POST", "/processes", json={"version": 1, "process": "p", "name": "P", "steps": steps}
        )
        accepted = await whole.clients[1].request("POST", "/runs", json={"process_id": "p", "inputs": {}})
        view = await ended(whole, accepted.json()["run_id"])
    assert (view["status"], lossy.left, shop.asked) == ("success", 0, 1)
    assert [attempt["status"] for attempt in view["steps"][0]["attempts"]] == ["passed"]
