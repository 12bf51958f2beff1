"""The results of a worker on their way: what is ready at the same moment travels in one bundle, without waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus, Destination, Message, PublishFailed
from steptrail_common.contracts.events import dedup_id
from steptrail_common.contracts.workers import RESULTS_QUEUE, StepResultBundle

from steptrail_checks.answers import Answer

_BUNDLE = StepResultBundle(items=[]).model_dump_json().encode().replace(b"[]", b"[%b]")
"""Around results that are JSON already."""
MAX_BUNDLE_ITEMS = 40
MAX_BUNDLE_BYTES = 1024 * 1024
_PUBLISH_PAUSES_SECONDS = (0.1, 0.5, 2.0)

log = structlog.get_logger()


@dataclass(slots=True)
class _Ready:
    """A result that waits for its confirm."""

    answer: Answer
    headers: dict[str, str]
    confirmed: "asyncio.Future[None]"

    def settle(self, failure: BaseException | None) -> None:
        """Tell the attempt that waits, if it still does."""
        if self.confirmed.done():
            return
        if failure is not None:
            self.confirmed.set_exception(failure)
        else:
            self.confirmed.set_result(None)


class Results:
    """Of one worker. `run` publishes in the background what `publish` is given."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ready: asyncio.Queue[_Ready] = asyncio.Queue()

    async def publish(self, answer: Answer) -> None:
        """Returns when the broker has confirmed it. Raises PublishFailed: whether it arrived is unknown."""
        ready = _Ready(answer, telemetry.inject({}), asyncio.get_running_loop().create_future())
        self._ready.put_nowait(ready)
        await ready.confirmed

    async def run(self) -> None:
        """Publishes what is ready, as much at once as is there. Never returns."""
        while True:
            batch = [await self._ready.get()]
            size = len(batch[0].answer.body)
            while not self._ready.empty() and len(batch) < MAX_BUNDLE_ITEMS and size < MAX_BUNDLE_BYTES:
                batch.append(self._ready.get_nowait())
                size += len(batch[-1].answer.body)
            await self._publish(batch)

    async def _publish(self, batch: Sequence[_Ready]) -> None:
        """Confirm all or fail all: unconfirmed requests are delivered again, and the results' tokens make that safe."""
        identity = [part for item in batch for part in item.answer.identity]
        same_trace = len({item.headers.get("traceparent") for item in batch}) == 1
        message = Message(
            _BUNDLE % b",".join(item.answer.body for item in batch),
            dedup_id=dedup_id(*identity, "result"),
            headers=batch[0].headers if same_trace else {},
        )
        failure: BaseException | None = None
        try:
            await self._confirmed(message)
        except PublishFailed as error:
            failure = error
        except BaseException as error:
            failure = PublishFailed(f"publishing ended: {error!r}")
            raise
        finally:
            for item in batch:
                item.settle(failure)

    async def _confirmed(self, message: Message) -> None:
        for pause in _PUBLISH_PAUSES_SECONDS:
            try:
                return await self._bus.publish([(Destination(queue=RESULTS_QUEUE), message)])
            except PublishFailed as error:
                log.warning("result.unconfirmed", detail=str(error))
                await asyncio.sleep(pause)
        await self._bus.publish([(Destination(queue=RESULTS_QUEUE), message)])
