"""Questions to workers over the bus: the answer comes to a queue of this replica alone."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, PublishFailed, Reject, Subscription
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.workers import KeyRequest, ProbeAnswer, ProbeRequest, StepRequest, request_queue
from steptrail_common.errors import Unavailable


class BusProber:
    """`Prober` on the bus. `start` once before the first question."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reply_to = f"steptrail.replies.{uuid4().hex}"
        self._waiting: dict[str, asyncio.Future[ProbeAnswer]] = {}

    async def start(self) -> None:
        await self._bus.subscribe(Subscription(queue=self._reply_to, shared=False, batch_max=20), self._take)

    async def ask(
        self,
        check_type: str,
        *,
        request: StepRequest | None = None,
        connection: SealedConnection | None = None,
        keys: KeyRequest | None = None,
        timeout_seconds: float,
    ) -> ProbeAnswer:
        probe = ProbeRequest(
            probe_id=uuid4().hex,
            reply_to=self._reply_to,
            request=request,
            test_connection=connection,
            keys=keys,
        )
        message = Message(
            probe.model_dump_json(exclude_none=True).encode(), dedup_id=probe.probe_id, headers={"kind": "probe"}
        )
        answer: asyncio.Future[ProbeAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[probe.probe_id] = answer
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._bus.publish([(Destination(queue=request_queue(check_type)), message)])
                return await answer
        except TimeoutError:
            raise Unavailable(f"no worker for {check_type} answered within {timeout_seconds:g} s") from None
        except PublishFailed as error:
            raise Unavailable("the message broker does not answer", retry_after_seconds=2) from error
        finally:
            del self._waiting[probe.probe_id]

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            try:
                answer = ProbeAnswer.model_validate_json(delivery.message.body)
            except ValidationError as error:
                raise Reject(f"not a ProbeAnswer: {error.error_count()} faults") from error
            waiting = self._waiting.get(answer.probe_id)
            if waiting is None or waiting.done():
                telemetry.log.info("probe.answer_late", probe_id=answer.probe_id)
            else:
                waiting.set_result(answer)
