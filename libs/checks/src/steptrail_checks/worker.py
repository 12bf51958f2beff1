"""The loop of every worker: take step requests, keep their leases alive, check, publish results, acknowledge.

A request is acknowledged only after its result was confirmed by the broker; a worker that dies in between gets the
request delivered again elsewhere. A request that comes again to who has answered it gets the same answer again, without
another look.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TypeVar
from uuid import uuid4

import structlog
from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, PublishFailed, Reject, Subscription
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import TRIED_BY
from steptrail_common.contracts.events import dedup_id
from steptrail_common.contracts.workers import (
    HEARTBEATS_QUEUE,
    Heartbeat,
    Lease,
    ProbeAnswer,
    ProbeRequest,
    StepRequest,
    StepRequestBundle,
    StepResult,
    request_queue,
)
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring

from steptrail_checks.answers import Answer, Answers
from steptrail_checks.attempt import Attempts
from steptrail_checks.politeness import Politeness, request_target
from steptrail_checks.port import CheckKind
from steptrail_checks.reach import Reach
from steptrail_checks.results import Results
from steptrail_checks.slots import Slots

IDLE_HEARTBEAT_SECONDS = 10.0
"""How often a worker without work says that it lives."""
MIN_HEARTBEAT_SECONDS = 0.2
ANNOUNCE_SECONDS = 0.1
"""A check that lasts for so long is announced; one that ends sooner needs no lease."""
WAITS_TOLD_SECONDS = 2.0
"""A check that waits for others of its target for so long says so in its run."""
_VERSION = version("steptrail-checks")

log = structlog.get_logger()
M = TypeVar("M", ProbeRequest, StepRequestBundle)


class WorkerLoop:
    """One per worker process. `start` once, `run` in the background, `close` after the bus has drained."""

    def __init__(
        self,
        bus: Bus,
        kinds: Sequence[CheckKind],
        evidence: EvidenceStore,
        keyring: SecretsKeyring,
        clock: Clock,
        *,
        worker_id: str,
        concurrency: int,
        politeness: Politeness | None = None,
    ) -> None:
        """`concurrency`: attempts under way at once, over all kinds; `politeness` towards targets, over all kinds."""
        self._bus = bus
        self._kinds = tuple(kinds)
        self._politeness = polite = politeness or Politeness()
        self._attempts = {
            kind.type: Attempts(kind, evidence, keyring, worker_id=worker_id, politeness=polite) for kind in kinds
        }
        self._clock = clock
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._limits = {kind.type: _own_limit(kind, concurrency) for kind in kinds}
        self._slots = slots = Slots(concurrency, self._limits, per_target=polite.concurrency)
        for kind in self._limits:
            telemetry.labelled(telemetry.WORKER_BUSY, kind).set_function(partial(slots.busy, kind))
        self._reach = Reach(bus, self._slots, self._limits, self._handle)
        self._reaching: asyncio.Task[None] | None = None
        self._running: dict[str, StepRequest] = {}
        self._received: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._told_waiting: set[str] = set()
        self._told: set[str] = set()
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._results = Results(bus)
        self._answers = Answers()

    async def start(self) -> None:
        """Take work of every kind."""
        for kind, limit in self._limits.items():
            await self._bus.subscribe(Subscription(queue=request_queue(kind), concurrency=limit), self._handle)
        self._reaching = asyncio.create_task(self._reach.run(), name="look further")

    async def run_heartbeats(self) -> None:
        """Says that we live, announces attempts that last and renews all leases in time. Never returns."""
        requests, renewed_at = list(self._running.values()), time.monotonic()
        while True:
            try:
                await self._heartbeat(requests)
            except PublishFailed as error:
                log.warning("heartbeat.unconfirmed", detail=str(error))
                await asyncio.sleep(MIN_HEARTBEAT_SECONDS)
            requests, renewed_at = await self._next_beat(renewed_at)

    async def run_results(self) -> None:
        """Publishes what is ready. Never returns."""
        await self._results.run()

    async def check_bus(self) -> None:
        """Raises `Unavailable` while the broker is away: then no work arrives."""
        if not self._bus.healthy():
            raise Unavailable("the message broker is not connected")

    async def close(self) -> None:
        """Say goodbye, so that nobody misses this worker, and give back what the kinds hold."""
        try:
            await self._heartbeat([], leaving=True)
        except PublishFailed as error:
            log.warning("heartbeat.unconfirmed", detail=str(error))
        if self._reaching is not None:
            self._reaching.cancel()
            await asyncio.gather(self._reaching, return_exceptions=True)
        await self._reach.close()
        for kind in self._kinds:
            await kind.close()
        await self._politeness.close()

    async def _next_beat(self, renewed_at: float) -> tuple[list[StepRequest], float]:
        """Waits; says what to tell of, and when all leases were renewed: all of them in time, and before that only what
        lasts and nobody knows of. With thousands that wait, to tell of all each time costs more than to check them."""
        while (left := renewed_at + self._heartbeat_seconds() - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, WAITS_TOLD_SECONDS)):
                    await self._changed.wait()
                    await asyncio.sleep(ANNOUNCE_SECONDS)
            untold = self._begun.keys() - self._told
            if not untold:
                self._changed.clear()
            since = time.monotonic() - ANNOUNCE_SECONDS
            lasting = [self._running[token] for token in untold if self._begun[token] <= since]
            if news := [*lasting, *self._waiting_long()]:
                return news, renewed_at
        return list(self._running.values()), time.monotonic()

    def _waiting_long(self) -> list[StepRequest]:
        """What waits for a slow target and nobody was told of."""
        if not (self._politeness.someone_waits or any(self._slots.stalled(kind) for kind in self._limits)):
            return []
        return [item for token, item in self._running.items() if token not in self._told_waiting and self._waits(item)]

    def _heartbeat_seconds(self) -> float:
        wanted = [request.heartbeat_seconds for request in self._running.values()]
        return max(min([*wanted, IDLE_HEARTBEAT_SECONDS]), MIN_HEARTBEAT_SECONDS)

    async def _heartbeat(self, requests: Sequence[StepRequest], *, leaving: bool = False) -> None:
        told = {item.token for item in requests if item.token in self._begun}
        told_waiting = {item.token for item in requests if self._waits(item)}
        beat = Heartbeat(
            worker_id=self._worker_id,
            version=_VERSION,
            check_types=[kind.type for kind in self._kinds],
            load=len(self._running),
            capacity=self._concurrency,
            leases=[
                Lease(
                    run_id=item.run_id,
                    step_id=item.step_id,
                    attempt=item.attempt,
                    token=item.token,
                    waiting=item.token not in self._begun,
                    waits=self._waits(item),
                )
                for item in requests
            ],
            leaving=leaving,
        )
        message = Message(beat.model_dump_json().encode(), dedup_id=uuid4().hex)
        await self._bus.publish([(Destination(queue=HEARTBEATS_QUEUE), message)])
        self._told = (self._told & self._begun.keys()) | told
        self._told_waiting = (self._told_waiting & self._running.keys()) | told_waiting

    def _waits(self, request: StepRequest) -> str | None:
        """What the run is told of a check that waits for others of its target, and that it waits no more."""
        if request.token in self._begun:
            return "" if request.token in self._told_waiting else None
        if time.monotonic() - self._received[request.token] < WAITS_TOLD_SECONDS:
            return None
        target = request_target(request)
        return self._slots.waits(request.check.work, target) or self._politeness.waits(target)

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        received = time.monotonic()
        for delivery in deliveries:
            if delivery.message.headers.get("kind") == "probe":
                await self._answer(_parsed(ProbeRequest, delivery), received)
            else:
                await self._run_bundle(_parsed(StepRequestBundle, delivery), received)

    async def _run_bundle(self, bundle: StepRequestBundle, received: float) -> None:
        if len(bundle.items) == 1:  # by far the most
            await self._run_item(bundle.items[0], received)
            return
        tasks = [asyncio.create_task(self._run_item(request, received)) for request in bundle.items]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_item(self, request: StepRequest, received: float) -> None:
        """One attempt from its slot to the confirmed result. A repeat of one that is under way waits for that; a repeat
        of one that was answered is answered again, since the answer may be what got lost."""
        if request.token in self._ends:
            await asyncio.shield(self._ends[request.token])
            return
        self._ends[request.token] = end = asyncio.get_running_loop().create_future()
        self._running[request.token], self._received[request.token] = request, received
        logged = structlog.contextvars.bind_contextvars(
            run_id=request.run_id, step_id=request.step_id, attempt=request.attempt
        )
        result: StepResult | None = None
        try:
            answer = self._answers.find(request.token)
            if answer is not None:
                telemetry.ANSWERED_AGAIN.inc()
                log.info("request.answered_again")
            else:
                async with self._slots.slot(request.check.work, request_target(request), request.process_id):
                    result = await self._checked(request, received)
                answer = Answer.of(result)
                self._told.add(request.token)  # it lasts no longer: its answer says so
                self._answers.keep(answer)
            await self._results.publish(answer, alone=len(self._running) == 1)
        finally:
            if result is not None:  # counted when its answer has left, which a run waits for
                _count(request.check.work, result)
            del self._running[request.token], self._received[request.token], self._ends[request.token]
            self._begun.pop(request.token, None)
            structlog.contextvars.reset_contextvars(**logged)
            end.set_result(None)

    def _begin(self, request: StepRequest) -> None:
        """Its turn has come: from now on its time runs."""
        self._begun[request.token] = time.monotonic()
        self._changed.set()

    async def _checked(self, request: StepRequest, received: float) -> StepResult:
        kind = request.check.work
        with telemetry.span("check", run_id=request.run_id, step_id=request.step_id, check_type=kind):
            return await self._attempts[kind].run(request, received, lambda: self._begin(request))

    async def _answer(self, probe: ProbeRequest, received: float) -> None:
        """A trial that is not recorded: no lease, no result queue, the answer goes to the asker."""
        answer = ProbeAnswer(probe_id=probe.probe_id)
        async with self._slots.slot(None, None):
            if probe.request is not None:
                result = await self._attempts[probe.request.check.work].run(probe.request, received, insist=True)
                answer = ProbeAnswer(probe_id=probe.probe_id, result=result)
            elif probe.test_connection is not None:
                attempts = self._attempts[_kind_for(probe.test_connection, self._attempts)]
                answer = ProbeAnswer(
                    probe_id=probe.probe_id, connection_test=await attempts.test(probe.test_connection)
                )
            elif probe.keys is not None:
                attempts = self._attempts[_kind_for(probe.keys.connection, self._attempts)]
                answer = ProbeAnswer(probe_id=probe.probe_id, keys=await attempts.keys(probe.keys))
        message = Message(answer.model_dump_json().encode(), dedup_id=dedup_id(probe.probe_id, "answer"))
        await self._bus.publish([(Destination(queue=probe.reply_to, reply=True), message)])


def _count(kind: str, result: StepResult) -> None:
    telemetry.labelled(telemetry.STEP_SECONDS, kind).observe(result.duration_seconds)
    log.info(
        "check.ended",
        check_type=kind,
        ok=result.ok,
        failure_class=result.failure_class,
        reason=result.reason,
        seconds=round(result.duration_seconds, 4),
    )


def _own_limit(kind: CheckKind, concurrency: int) -> int:
    """Attempts of one kind at once: fewer than the worker's where each is heavy."""
    return min(getattr(kind, "concurrency", concurrency), concurrency)


def _kind_for(connection: SealedConnection, attempts: dict[str, Attempts]) -> str:
    """Which of this worker's kinds tries a connection: files by file_check, HTTP by api_call, databases by db_query."""
    wanted = TRIED_BY.get(connection.settings.kind, "db_query")
    return wanted if wanted in attempts else next(iter(attempts))


def _parsed(model: type[M], delivery: Delivery) -> M:
    try:
        return model.model_validate_json(delivery.message.body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:3])
        log.error("request.unreadable", queue=delivery.routing_key, detail=faults)
        raise Reject(f"not a {model.__name__}: {faults}") from error
