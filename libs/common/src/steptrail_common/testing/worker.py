"""A worker at the message contract: it takes step requests and answers what a test tells it to."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from steptrail_common.bus.port import Bus, Delivery, Destination, Message, Subscription
from steptrail_common.contracts.events import dedup_id
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import (
    HEARTBEATS_QUEUE,
    RESULTS_QUEUE,
    AssertionOutcome,
    Heartbeat,
    KeyAnswer,
    Lease,
    ProbeAnswer,
    ProbeRequest,
    StepRequest,
    StepRequestBundle,
    StepResult,
    StepResultBundle,
    request_queue,
)

CHECK_TYPES = ("web_crawl", "api_call", "db_query", "file_check")
Answer = Callable[[StepRequest], StepResult | None]


def passed(request: StepRequest, **more: Any) -> StepResult:
    return StepResult(
        run_id=request.run_id,
        step_id=request.step_id,
        attempt=request.attempt,
        token=request.token,
        **{"worker_id": "worker-1", "ok": True, "duration_seconds": 0.01, **more},
    )


def failed(request: StepRequest, failure_class: FailureClass | str = FailureClass.ASSERTION, **more: Any) -> StepResult:
    kind = FailureClass(failure_class)
    return passed(request, **{"ok": False, "failure_class": kind, "message": f"it was {kind.value}", **more})


def status_404(request: StepRequest) -> StepResult:
    outcome = AssertionOutcome(label="status", operator="eq", expected=200, actual=404, met=False)
    return failed(request, assertions=[outcome], message="HTTP status 404, expected 200")


class ScriptedWorker:
    """Takes step requests at the message contract and answers what the script says (None: falls silent)."""

    def __init__(self, bus: Bus, *, check_types: Sequence[str] = CHECK_TYPES, worker_id: str = "worker-1") -> None:
        self._bus = bus
        self._check_types = check_types
        self.worker_id = worker_id
        self.requests: list[StepRequest] = []
        self.script: dict[str, list[Answer]] = {}
        self.probes: list[ProbeRequest] = []
        self.keys: dict[str, KeyAnswer] = {}
        """Answers of key queries by their text."""
        self.beat_on_start = True

    async def start(self) -> None:
        await self._bus.start()
        await self.beat([])
        for kind in self._check_types:
            await self._bus.subscribe(Subscription(queue=request_queue(kind), concurrency=20), self._take)

    def plan(self, step_id: str, *answers: Answer) -> None:
        """The answers to the attempts of a step in order; the last one stays."""
        self.script[step_id] = list(answers)

    async def beat(self, requests: Sequence[StepRequest], waits: str | None = None) -> None:
        """`waits`: for what none of them has begun; an empty text for what waits no more."""
        told = {"waiting": bool(waits), "waits": waits}
        leases = [Lease(run_id=r.run_id, step_id=r.step_id, attempt=r.attempt, token=r.token, **told) for r in requests]
        beat = Heartbeat(
            worker_id=self.worker_id,
            version="1",
            check_types=list(self._check_types),
            load=len(leases),
            capacity=20,
            leases=leases,
        )
        message = Message(beat.model_dump_json().encode(), dedup_id=uuid4().hex)
        await self._bus.publish([(Destination(queue=HEARTBEATS_QUEUE), message)])

    async def send(self, *results: StepResult, dedup: str | None = None) -> None:
        identity = [part for item in results for part in (item.run_id, item.step_id, item.attempt)]
        body = StepResultBundle(items=list(results)).model_dump_json().encode()
        message = Message(body, dedup_id=dedup or dedup_id(*identity, "result"))
        await self._bus.publish([(Destination(queue=RESULTS_QUEUE), message)])

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.message.headers.get("kind") == "probe":
                await self._probe(ProbeRequest.model_validate_json(delivery.message.body))
                continue
            for request in StepRequestBundle.model_validate_json(delivery.message.body).items:
                self.requests.append(request)
                if self.beat_on_start:
                    await self.beat([request])
                answer = self._answer(request)
                if answer is not None:
                    await self.send(answer)

    def _answer(self, request: StepRequest) -> StepResult | None:
        answers = self.script.get(request.step_id)
        if not answers:
            return passed(request, worker_id=self.worker_id)
        script = answers.pop(0) if len(answers) > 1 else answers[0]
        return script(request)

    async def _probe(self, probe: ProbeRequest) -> None:
        self.probes.append(probe)
        answer = ProbeAnswer(probe_id=probe.probe_id)
        if probe.request is not None:
            answer = ProbeAnswer(probe_id=probe.probe_id, result=passed(probe.request))
        elif probe.test_connection is not None:
            rights = {"level": "read_only", "detail": "can only read"}
            answer = ProbeAnswer.model_validate(
                {"probe_id": probe.probe_id, "connection_test": {"ok": True, "message": "works", "rights": rights}}
            )
        elif probe.keys is not None:
            answer = ProbeAnswer(probe_id=probe.probe_id, keys=self.keys[probe.keys.query])
        message = Message(answer.model_dump_json().encode(), dedup_id=dedup_id(probe.probe_id, "answer"))
        await self._bus.publish([(Destination(queue=probe.reply_to), message)])
