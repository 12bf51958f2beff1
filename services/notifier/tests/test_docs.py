"""The programs shown in `docs/webhooks.md` and `docs/events.md` work as they stand."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from steptrail_common.bus import connect
from steptrail_common.bus.port import Destination, Message
from steptrail_common.testing.servers import free_port
from steptrail_notifier.domain.message import body_of, headers_of, new_key

DOCS = Path(__file__).parents[3] / "docs"
KEY = new_key()


def _blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    parts = (DOCS / page).read_text(encoding="utf-8").split("```")[1::2]
    return [part.removeprefix(language).lstrip("\n") for part in parts if part.startswith(language + "\n")]


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The documented program, running."""
    (program,) = _blocks("webhooks.md", "python")
    port = free_port()
    environment = {**os.environ, "STEPTRAIL_SIGNING_KEY": KEY, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                break
    yield f"http://127.0.0.1:{port}/", process
    if process.returncode is None:
        process.terminate()
    await process.communicate()


@pytest.mark.req("IR-8")
async def test_the_documented_receiver_verifies_and_drops_repeats(
    receiver: tuple[str, asyncio.subprocess.Process],
) -> None:
    """It takes the documented message once, answers repeats, and refuses a body that was changed."""
    url, process = receiver
    (shown,) = _blocks("webhooks.md", "json")
    event = json.loads(shown)
    body = body_of(event, moment=event["moment"], rule_id=event["rule"])
    headers = headers_of(body, delivery_id="d1", key=KEY, at=datetime.now(UTC))
    async with httpx2.AsyncClient(trust_env=False) as client:
        answers = [
            (await client.post(url, content=sent, headers=headers)).status_code
            for sent in (body, body, body.replace("stuck", "success"))
        ]
    assert answers == [204, 204, 401]
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("stuck: order-to-cash 4711: Passed 1–3, stuck at 4")
    process.terminate()
    assert await process.stdout.read() == b""


@pytest.mark.req("IR-9")
async def test_the_documented_consumer_reads_events(fresh_vhost: str, ended: Callable[..., Any]) -> None:
    """From a real broker, with a queue of its own."""
    bus = connect(fresh_vhost, name="docs")
    await bus.start()
    (program,) = _blocks("events.md", "python")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "AMQP_URL": fresh_vhost}, stdout=asyncio.subprocess.PIPE
    )
    event, _ = ended("r1", "stuck")
    sent = Message(event.model_dump_json().encode(), dedup_id=event.id)
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.readline())
    async with asyncio.timeout(20):
        while not reading.done():  # until the consumer has bound its queue, nobody gets it
            await bus.publish([(Destination(topic="run.finished.p"), sent)])
            await asyncio.wait([reading], timeout=0.2)
    assert (await reading).decode().split() == [event.id, "p", "4711", "stuck"]
    process.terminate()
    await process.communicate()
    await bus.close()
