"""Looking further in a queue than slots reach, while what is held waits for a target that is slow.

A worker takes no more than it can work on, so that others find something to do. If all that it holds waits for one
target, it is idle and does not see what is queued behind: then it takes more, until nothing waits any more.
"""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog
from steptrail_common.bus.port import Bus, Handler, Subscription, Taking
from steptrail_common.contracts.workers import request_queue
from steptrail_common.errors import Unavailable

from steptrail_checks.slots import Slots

TIMES = 10
"""So many times what a worker takes of a kind it holds at most beside it."""
LOOKS_EVERY_SECONDS = 0.1
_LONG_SECONDS = 86_400.0

log = structlog.get_logger()


class Reach:
    """One per worker. `run` in the background."""

    def __init__(self, bus: Bus, slots: Slots, kinds: Mapping[str, int], handler: Handler) -> None:
        """`kinds`: how many requests of each kind the worker takes."""
        self._bus = bus
        self._slots = slots
        self._kinds = kinds
        self._handler = handler
        self._further: dict[str, Taking] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Never returns."""
        while True:
            if not self._further:
                await self._slots.someone_waits.wait()
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
            for kind in self._kinds:
                await self._look(kind)

    async def close(self) -> None:
        """What is held still is given back by the bus when it drains."""
        for task in self._ending.values():
            task.cancel()
        await asyncio.gather(*self._ending.values(), return_exceptions=True)

    async def _look(self, kind: str) -> None:
        if kind in self._further:
            if not self._slots.waiting(kind):
                self._ending[kind] = asyncio.create_task(self._further.pop(kind).drain(_LONG_SECONDS))
        elif self._slots.stalled(kind) and (kind not in self._ending or self._ending[kind].done()):
            more = Subscription(queue=request_queue(kind), concurrency=self._kinds[kind] * TIMES)
            with contextlib.suppress(Unavailable):  # a broker that is away: the next look tries again
                self._further[kind] = await self._bus.subscribe(more, self._handler)
                log.info("worker.looks_further", check_type=kind, waiting=self._slots.waiting(kind))
