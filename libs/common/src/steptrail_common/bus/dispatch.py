"""From arrived messages to handlers: batches, concurrency, pauses before redelivery, draining. Both adapters use it."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum

import structlog

from steptrail_common.bus.port import Delivery, Handler, Reject, Subscription
from steptrail_common.errors import Unavailable
from steptrail_common.telemetry import BUS_DELIVERIES, extracted, labelled

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""Twenty deliveries then take about two and a half minutes: a database that fails over parks nothing."""

log = structlog.get_logger()


class Outcome(StrEnum):
    """What becomes of a delivery."""

    DONE = "done"
    AGAIN = "again"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A delivery with what its adapter needs to settle it. `earlier`: how often it was handed out before."""

    delivery: Delivery
    earlier: int
    receipt: object

    @property
    def alone(self) -> bool:
        return self.delivery.redelivered or self.earlier > 0


Settle = Callable[[Sequence[Arrival], Outcome], Awaitable[None]]
"""Tell the broker. Never raises: if the connection is gone, the broker delivers again by itself."""


class Dispatcher:
    """Runs the handler of one subscription. `offer` only appends: no work happens in the broker's callback."""

    def __init__(self, subscription: Subscription, handler: Handler, settle: Settle) -> None:
        self._subscription = subscription
        self._handler = handler
        self._settle = settle
        self._waiting: deque[Arrival] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._draining = asyncio.Event()
        self._busy: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.Task[None]] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._full = asyncio.Event()
        self._begun = -subscription.batch_seconds

    def start(self) -> None:
        name = self._subscription.queue
        self._workers = [
            asyncio.create_task(self._work(), name=f"consume {name} {number}")
            for number in range(self._subscription.concurrency)
        ]

    def offer(self, arrival: Arrival) -> None:
        self._waiting.append(arrival)
        self._wake_one()
        if len(self._waiting) >= self._subscription.batch_max:
            self._full.set()

    def forget(self) -> None:
        """The connection is gone and everything that waits will come again: drop it. Running handlers go on."""
        self._waiting.clear()

    async def drain(self, timeout_seconds: float) -> None:
        """Give back what waits, let running handlers end for so long, then cancel and give back theirs."""
        self._draining.set()
        rest, self._waiting = list(self._waiting), deque()
        if rest:
            await self._settle(rest, Outcome.AGAIN)
        if self._busy:
            await asyncio.wait(self._busy, timeout=timeout_seconds)
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, *self._busy, *self._pausing, return_exceptions=True)

    async def _work(self) -> None:
        while not self._draining.is_set():
            batch = await self._next_batch()
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - always inside a task
            self._busy.add(task)
            try:
                await self._handle(batch)
            finally:
                self._busy.discard(task)

    async def _next_batch(self) -> list[Arrival]:
        await self._gathered()
        while not self._waiting:
            await self._something()
        self._begun = time.monotonic()
        batch = [self._waiting.popleft()]
        most = 1 if batch[0].alone else self._subscription.batch_max
        while self._waiting and len(batch) < most and not self._waiting[0].alone:
            batch.append(self._waiting.popleft())
        if self._waiting:
            self._wake_one()
        return batch

    async def _something(self) -> None:
        """Sleep until something waits. Only one is woken for it: hundreds that wake and find nothing would cost more
        than the work."""
        self._idle.append(woken := asyncio.get_running_loop().create_future())
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._idle:
            if not (sleeper := self._idle.popleft()).done():
                sleeper.set_result(None)
                return

    async def _gathered(self) -> None:
        """Wait until the next batch may begin, or is full already."""
        left = self._begun + self._subscription.batch_seconds - time.monotonic()
        self._full.clear()
        if left > 0 and len(self._waiting) < self._subscription.batch_max:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._full.wait()

    async def _handle(self, batch: list[Arrival]) -> None:
        try:
            outcome = await self._outcome(batch)
        except asyncio.CancelledError:
            await self._finish(batch, Outcome.AGAIN)
            raise
        if outcome is Outcome.PARKED and len(batch) > 1:
            for arrival in batch:
                await self._handle([arrival])
        elif outcome is Outcome.AGAIN:
            for arrival in batch:
                self._return_later(arrival)
        else:
            await self._finish(batch, outcome)

    async def _outcome(self, batch: list[Arrival]) -> Outcome:
        deliveries = [arrival.delivery for arrival in batch]
        # A batch belongs to many traces: its handler takes up each message's own.
        trace: AbstractContextManager[object] = (
            extracted(dict(deliveries[0].message.headers)) if len(batch) == 1 else nullcontext()
        )
        try:
            with trace:
                await self._handler(deliveries)
        except Reject as error:
            log.warning("message_rejected", queue=self._subscription.queue, reason=str(error), count=len(batch))
            return Outcome.PARKED
        except Unavailable as error:  # passes by itself: said in a line, without a stack
            log.warning("message_postponed", queue=self._subscription.queue, count=len(batch), detail=error.detail)
            return Outcome.AGAIN
        except Exception as error:
            log.error(
                "message_handling_failed",
                queue=self._subscription.queue,
                count=len(batch),
                earlier=batch[0].earlier,
                dedup_id=deliveries[0].message.dedup_id,
                error=repr(error),
                exc_info=True,
            )
            return Outcome.AGAIN
        return Outcome.DONE

    def _return_later(self, arrival: Arrival) -> None:
        task = asyncio.create_task(self._pause_and_return(arrival))
        self._pausing.add(task)
        task.add_done_callback(self._pausing.discard)

    async def _pause_and_return(self, arrival: Arrival) -> None:
        """Hold a failed delivery for a while, outside the worker, so that the others are not held up."""
        if arrival.earlier + 1 >= self._subscription.delivery_limit:
            await self._finish([arrival], Outcome.PARKED)
            return
        pause = min(FIRST_PAUSE_SECONDS * 2**arrival.earlier, LONGEST_PAUSE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._draining.wait(), pause)
        await self._finish([arrival], Outcome.AGAIN)

    async def _finish(self, batch: Sequence[Arrival], outcome: Outcome) -> None:
        labelled(BUS_DELIVERIES, self._subscription.queue, outcome).inc(len(batch))
        await self._settle(batch, outcome)
