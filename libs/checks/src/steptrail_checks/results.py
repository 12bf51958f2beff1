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
    """Of one worker. `run` publishes in the background what comes together."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ready: asyncio.Queue[_Ready] = asyncio.Queue()

    async def publish(self, answer: Answer, *, alone: bool = False) -> None:
        """Returns when the broker has confirmed it. Raises PublishFailed: whether it arrived is unknown.

        `alone`: nothing is under way whose result could come along, so it goes at once.
        """
        headers = telemetry.inject({})
        if alone:
            await self._confirmed(_message([(answer, headers)]))
            return
        ready = _Ready(answer, headers, asyncio.get_running_loop().create_future())
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
        failure: BaseException | None = None
        try:
            await self._confirmed(_message([(item.answer, item.headers) for item in batch]))
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


def _message(answers: Sequence[tuple[Answer, dict[str, str]]]) -> Message:
    """The bundle of these answers, each with the headers of its trace."""
    headers = answers[0][1]
    same_trace = all(other.get("traceparent") == headers.get("traceparent") for _, other in answers)
    return Message(
        _BUNDLE % b",".join(answer.body for answer, _ in answers),
        dedup_id=dedup_id(*(part for answer, _ in answers for part in answer.identity), "result"),
        headers=headers if same_trace else {},
    )
