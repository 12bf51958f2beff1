"""A consumer of events that never stays behind: when its queue may have been lost, it asks for what it missed.

The broker is disposable. A durable queue that was deleted with its messages, or an in-process broker that died with its
process, would leave holes for ever; the log of events in the orchestrator's database has none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from steptrail_common.bus.port import Bus, Destination, Message, PublishFailed
from steptrail_common.contracts.replays import REPLAYS_QUEUE, ReplayRequest
from steptrail_common.errors import Unavailable

MARGIN = timedelta(minutes=10)
"""Asked for beyond the newest known moment: events are committed, published and handled in any order."""
RETRY_SECONDS = 2.0

log = structlog.get_logger()


class ReplayAsker:
    """Asks once at the start, and each time `ask` was called. `newest`: until when this consumer knows runs; None asks
    for everything there is. It may raise `Unavailable`."""

    def __init__(
        self, bus: Bus, queue: str, newest: Callable[[], Awaitable[datetime | None]], *, types: Sequence[str] = ()
    ) -> None:
        self._bus = bus
        self._queue = queue
        self._newest = newest
        self._types = list(types)
        self._wanted = asyncio.Event()

    def ask(self) -> None:
        """The queue was declared again: messages may be lost."""
        self._wanted.set()

    async def start(self) -> None:
        """The first time, as part of the service's start; `run` goes on if it does not work now."""
        if not await self._asked():
            self._wanted.set()

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not await self._asked():
                self._wanted.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _asked(self) -> bool:
        try:
            await self._publish()
        except (PublishFailed, Unavailable) as error:
            log.warning("replay.not_asked", queue=self._queue, detail=str(error))
            return False
        return True

    async def _publish(self) -> None:
        newest = await self._newest()
        wanted = ReplayRequest.model_validate(
            {"queue": self._queue, "since": newest - MARGIN if newest else None, "types": self._types}
        )
        message = Message(wanted.model_dump_json().encode(), dedup_id=uuid4().hex)
        await self._bus.publish([(Destination(queue=REPLAYS_QUEUE), message)])
        log.info("replay.asked", queue=self._queue, since=str(wanted.since))
