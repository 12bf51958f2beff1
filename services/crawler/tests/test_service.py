"""The crawler as it is composed: on the in-process bus, and as a process of its own behind RabbitMQ."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from steptrail_common.bus import InProcessBroker, connect
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, Subscription
from steptrail_common.contracts.workers import (
    HEARTBEATS_QUEUE,
    RESULTS_QUEUE,
    Heartbeat,
    StepRequestBundle,
    StepResult,
    StepResultBundle,
    request_queue,
)
from steptrail_common.errors import ConfigurationError
from steptrail_common.service import running
from steptrail_common.testing.requests import step_request
from steptrail_crawler.config import Settings
from steptrail_crawler.service import build

from .conftest import KEYS, Site, answer

CHECKS: dict[str, dict[str, Any]] = {
    "web_crawl": {"type": "web_crawl"},
    "api_call": {"type": "api_call"},
    "file_check": {"type": "file_check"},
}


def taking(into: list[StepResult]) -> Callable[[Sequence[Delivery]], Awaitable[None]]:
    async def take(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            into.extend(StepResultBundle.model_validate_json(delivery.message.body).items)

    return take


async def send(bus: Bus, kind: str, url: str) -> None:
    bundle = StepRequestBundle(
        items=[step_request({**CHECKS[kind], "url": url}, step_id=kind, token=uuid4().hex, timeout_seconds=10.0)]
    )
    message = Message(bundle.model_dump_json(by_alias=True).encode(), dedup_id=kind)
    await bus.publish([(Destination(queue=request_queue(kind)), message)])


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in another process)
            await asyncio.sleep(0.02)


def settings(tmp_path: Path, site: Site, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "bus": "memory:",
            "evidence": str(tmp_path / "evidence"),
            "private_keys": [KEYS.private],
            "egress_exceptions": [f"127.0.0.1:{site.port}"],
            **more,
        }
    )


@pytest.mark.req("FR-013")
async def test_every_kind_works_inside_one_process(tmp_path: Path, site: Site) -> None:
    """As the embedded deployment runs it, twice in the same process."""
    site.routes["/a"] = answer("<p>x</p>", content_type="text/html")
    for _ in range(2):
        results = await _one_life(settings(tmp_path, site), f"{site.url}/a")
        assert {result.step_id for result in results if result.ok} == set(CHECKS), results


async def _one_life(given: Settings, url: str) -> list[StepResult]:
    """Build, run every kind once, stop."""
    broker = InProcessBroker()
    results: list[StepResult] = []
    desk, own = connect("memory:", name="desk", broker=broker), connect("memory:", name="crawler", broker=broker)
    await desk.start()
    await desk.subscribe(Subscription(RESULTS_QUEUE), taking(results))
    service = build(given, bus=own)
    async with running(service):
        for check in service.checks.values():
            await check()
        for kind in CHECKS:
            await send(desk, kind, url)
        await until(lambda: len(results) == len(CHECKS))
    await desk.close()
    return results


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"egress_allow": ["example.com"]}, "egress rule"),
        ({"egress_exceptions": ["127.0.0.0/8:80"]}, "one address"),
        ({"private_keys": ["short"]}, "base64"),
        ({"private_keys": []}, "PRIVATE_KEY_FILES"),
        ({"evidence": "zip::x"}, "chained"),
    ],
)
async def test_settings_that_cannot_work_stop_the_start(
    wrong: dict[str, Any], words: str, tmp_path: Path, site: Site
) -> None:
    """With a sentence that says what to change, before anything runs."""
    with pytest.raises(ConfigurationError, match=words):
        build(settings(tmp_path, site, **wrong))


@pytest.mark.req("NFR-015")
async def test_a_crawler_process_works_drains_and_ends(rabbitmq_url: str, tmp_path: Path, site: Site) -> None:
    """Started as a program: says that it is ready, works, finishes what it began after SIGTERM, ends with 0."""

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.0)
        writer.write(answer("done", content_type="text/plain"))
        await writer.drain()

    site.routes |= {"/a": answer("<p>x</p>", content_type="text/html"), "/slow": slow}
    results: list[StepResult] = []
    beats: list[Heartbeat] = []
    desk = connect(rabbitmq_url, name="desk")
    await desk.start()

    async def take_beats(deliveries: Sequence[Delivery]) -> None:
        beats.extend(Heartbeat.model_validate_json(delivery.message.body) for delivery in deliveries)

    await desk.subscribe(Subscription(RESULTS_QUEUE), taking(results))
    await desk.subscribe(Subscription(HEARTBEATS_QUEUE), take_beats)
    process = await _start(rabbitmq_url, tmp_path, site)
    try:
        await until(lambda: bool(beats))
        for kind in CHECKS:
            await send(desk, kind, f"{site.url}/a")
        await until(lambda: len(results) == 3)
        assert all(result.ok for result in results), results
        await send(desk, "api_call", f"{site.url}/slow")
        await until(lambda: any(asked.path == "/slow" for asked in site.asked))
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert await asyncio.wait_for(process.wait(), 15) == 0
        assert time.monotonic() - started < 10
        await until(lambda: len(results) == 4)
        assert results[-1].ok
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await desk.close()


async def _start(rabbitmq_url: str, tmp_path: Path, site: Site) -> asyncio.subprocess.Process:
    (tmp_path / "key").write_text(KEYS.private)
    environment = {
        **os.environ,
        "STEPTRAIL_BUS": rabbitmq_url,
        "STEPTRAIL_CRAWLER_EVIDENCE": str(tmp_path / "evidence"),
        "STEPTRAIL_PRIVATE_KEY_FILES": f'["{tmp_path / "key"}"]',
        "STEPTRAIL_EGRESS_EXCEPTIONS": f'["127.0.0.1:{site.port}"]',
        "STEPTRAIL_CRAWLER_PORT": "0",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "steptrail_crawler", env=environment, cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
    )
