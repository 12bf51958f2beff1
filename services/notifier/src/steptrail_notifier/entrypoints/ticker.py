"""The sender: claims due deliveries and tries each in a task of its own."""

import asyncio
import contextlib
from collections import Counter

import structlog

from steptrail_notifier.handlers import LEASE_SECONDS, forget_unseen, send
from steptrail_notifier.ports import Carriers, Claimed, NotifierStore, SigningKeys

IN_FLIGHT = 64
"""Tries at the same time, of one replica."""
IN_FLIGHT_PER_CHANNEL = 4
"""Claimed at a time; a channel with so many under way gets no more. A slow receiver never takes the others' room."""
POLL_SECONDS = 1.0
"""How late a retry may be noticed; new deliveries of this replica are noticed at once."""
TIDY_SECONDS = 3600.0
SHUTDOWN_SECONDS = 3.0
"""How long tries under way may still take when the service stops; after it their lease ends and they are repeated."""

log = structlog.get_logger()


class Sender:
    """One per replica."""

    def __init__(
        self, *, store: NotifierStore, carriers: Carriers, keys: SigningKeys, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._store = store
        self._carriers = carriers
        self._keys = keys
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], str] = {}

    def wake(self) -> None:
        """There may be something due now."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                self._wake.clear()
                if not await self._begin():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
        finally:
            await self._wind_down()

    async def tidy(self) -> None:
        """Drop what is old, at start and every hour, until cancelled."""
        while True:
            await self._store.tidy()
            if await forget_unseen(store=self._store):
                self.wake()
            await asyncio.sleep(TIDY_SECONDS)

    async def _begin(self) -> int:
        """Claim what there is room for and begin to try it; how many."""
        room = IN_FLIGHT - len(self._tasks)
        if room <= 0:
            return 0
        busy = [channel for channel, count in Counter(self._tasks.values()).items() if count >= IN_FLIGHT_PER_CHANNEL]
        claimed = await self._store.claim(
            limit=room, per_channel=IN_FLIGHT_PER_CHANNEL, busy=busy, lease_seconds=LEASE_SECONDS
        )
        for one in claimed:
            task = asyncio.create_task(self._try(one), name=f"deliver {one.delivery_id}")
            self._tasks[task] = one.channel_id
            task.add_done_callback(self._done)
        return len(claimed)

    async def _try(self, claimed: Claimed) -> None:
        try:
            await send(claimed, store=self._store, carriers=self._carriers, keys=self._keys)
        except Exception:
            log.exception("notifier.try_failed", delivery_id=claimed.delivery_id)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._wake.set()

    async def _wind_down(self) -> None:
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
