"""The other side of a worker on a real bus: sends requests, collects what the worker says."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steptrail_checks.port import CheckContext, CheckFailed, Observation, OpenedConnection
from steptrail_checks.subjects import HttpSubject
from steptrail_checks.worker import WorkerLoop
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, Subscription
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import ConnectionRights, SealedConnection
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import (
    HEARTBEATS_QUEUE,
    RESULTS_QUEUE,
    Heartbeat,
    ProbeAnswer,
    ProbeRequest,
    StepRequest,
    StepRequestBundle,
    StepResult,
    StepResultBundle,
    request_queue,
)
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring, generate_keys, seal
from steptrail_common.testing.requests import step_request

KEYS = generate_keys()
SECRET = "s3cret-t0ken"
Check = Callable[[CheckContext], Awaitable[Observation]]
MakeBus = Callable[[], Bus]


class Kind:
    """A check kind whose check a test writes."""

    type = "api_call"

    def __init__(self, check: Check) -> None:
        self._check = check
        self.closed = False

    async def check(self, context: CheckContext) -> Observation:
        return await self._check(context)

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        if not connection.secrets:
            raise CheckFailed(FailureClass.AUTH, f"refused for {SECRET}", ours=True)
        return ConnectionRights(level="read_only", detail="works")

    async def close(self) -> None:
        self.closed = True


class Desk:
    """The other side: sends requests, collects what the worker says."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.results: list[StepResult] = []
        self.bundles: list[int] = []
        self.beats: list[Heartbeat] = []
        self.answers: list[ProbeAnswer] = []
        self.ids: list[str] = []

    async def start(self) -> None:
        await self._bus.start()
        await self._bus.subscribe(Subscription(RESULTS_QUEUE), self._take_results)
        await self._bus.subscribe(Subscription(HEARTBEATS_QUEUE), self._take_beats)
        await self._bus.subscribe(Subscription("asker", shared=False), self._take_answers)

    async def send(self, *requests: StepRequest) -> None:
        await self._put(StepRequestBundle(items=list(requests)).model_dump_json(by_alias=True).encode())

    async def ask(self, probe: ProbeRequest) -> ProbeAnswer:
        await self._put(probe.model_dump_json(by_alias=True).encode(), kind="probe")
        await until(lambda: bool(self.answers))
        return self.answers.pop()

    async def one(self, request: StepRequest) -> StepResult:
        await self.send(request)
        await until(lambda: any(result.token == request.token for result in self.results))
        return next(result for result in self.results if result.token == request.token)

    async def depth(self, queue: str) -> int:
        return (await self._bus.queue_depths()).get(queue, 0)

    async def _put(self, body: bytes, **headers: str) -> None:
        message = Message(body, dedup_id=str(time.monotonic_ns()), headers=headers)
        await self._bus.publish([(Destination(queue=request_queue("api_call")), message)])

    async def raw(self, body: bytes) -> None:
        await self._put(body)

    async def _take_results(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            items = StepResultBundle.model_validate_json(delivery.message.body).items
            self.results += items
            self.bundles.append(len(items))
            self.ids.append(delivery.message.dedup_id)

    async def _take_beats(self, deliveries: Sequence[Delivery]) -> None:
        self.beats += [Heartbeat.model_validate_json(delivery.message.body) for delivery in deliveries]

    async def _take_answers(self, deliveries: Sequence[Delivery]) -> None:
        self.answers += [ProbeAnswer.model_validate_json(delivery.message.body) for delivery in deliveries]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.005)


def request(token: str = "t1", **more: Any) -> StepRequest:  # noqa: S107
    known = {
        "token": token,
        "of_attempts": 3,
        "timeout_seconds": 2.0,
        "issued_at": datetime(2020, 1, 1, tzinfo=UTC),
        "share": False,
    }
    check = {"type": "api_call", "url": "https://api.example/"}
    return step_request(**{"check": check, **known, **more})


def sealed(host: str = "api.example:443") -> SealedConnection:
    settings = HttpSettings(kind="http", base_url="https://api.example", auth="bearer")
    token = seal(KEYS.public, SECRET, connection_id="api", field="token", host=host)
    return SealedConnection(connection_id="api", settings=settings, sealed={"token": token})


def seen(body: bytes = b'{"state": "PAID", "id": "007"}', **more: Any) -> Observation:
    subject = HttpSubject(200, "https://api.example/", (("Content-Type", "application/json"),), body, 0.1)
    return Observation(subject, "GET https://api.example/", **more)


@asynccontextmanager
async def worker(
    check: Check,
    tmp_path: Path,
    *,
    concurrency: int = 10,
    bus: InProcessBus | None = None,
    make_bus: MakeBus | None = None,
) -> AsyncIterator[Desk]:
    """`bus`: the worker's own, on the broker that is made here; `make_bus`: makes the buses of both."""
    broker = InProcessBroker()
    make_bus = make_bus or (lambda: InProcessBus(broker))
    desk = Desk(make_bus())
    await desk.start()
    own = bus or make_bus()
    if bus is not None:
        bus._broker = broker
    await own.start()
    kind = Kind(check)
    loop = WorkerLoop(
        own,
        [kind],
        EvidenceStore(str(tmp_path)),
        SecretsKeyring((KEYS.private,)),
        SystemClock(),
        worker_id="worker-1",
        concurrency=concurrency,
    )
    await loop.start()
    tasks = [asyncio.create_task(loop.run_results()), asyncio.create_task(loop.run_heartbeats())]
    try:
        yield desk
    finally:
        await own.drain(1.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.close()
        assert kind.closed
