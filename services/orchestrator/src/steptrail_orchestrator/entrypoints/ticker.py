"""What lets time pass on this replica: wakes exactly when the next thing is due, looks now and then anyway.

Every replica has one; they share the work by passing over what another one has locked. No leader.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from steptrail_common import telemetry
from steptrail_common.errors import SteptrailError, Unavailable

from steptrail_orchestrator.domain.run import TAKEN_SECONDS
from steptrail_orchestrator.handlers import repair_orphans, sweep
from steptrail_orchestrator.handlers.walking import SWEEP_RUNS
from steptrail_orchestrator.ports import RunStore

_PRUNE_EVERY_SECONDS = 600.0
_FORGET_AFTER_SECONDS = 7200.0
"""Message ids are kept for two hours: longer than any message is on its way."""
_AWAY_SECONDS = 2.0


class Ticker:
    """`run` in the background; `poke` from whoever noted a wake-up."""

    def __init__(
        self,
        store: RunStore,
        *,
        poll_seconds: float,
        orphan_scan_seconds: float,
        empty_queues: Callable[[], Awaitable[frozenset[str]]],
        outbox_age_seconds: Callable[[], float],
        hears: Callable[[], bool],
    ) -> None:
        """`outbox_age_seconds`: while something of ours waits unpublished, no message can be told to be lost. `hears`:
        whether heartbeats arrive here now; after a time when they could not, no worker is missing yet."""
        self._store = store
        self._poll_seconds = poll_seconds
        self._orphan_scan_seconds = orphan_scan_seconds
        self._empty_queues = empty_queues
        self._outbox_age_seconds = outbox_age_seconds
        self._hears = hears
        self._heard_from = time.monotonic()
        self._poked = asyncio.Event()
        self._next = 0.0
        self._listen_at = self._scan_at = 0.0
        self._prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
        self._empty: dict[str, float] = {}
        self._looked_at = float("-inf")

    def poke(self, seconds: float | None) -> None:
        """Something is due in so many seconds; None: nothing."""
        if seconds is None:
            return
        at = time.monotonic() + max(seconds, 0.0)
        if at < self._next:
            self._next = at
            self._poked.set()

    @property
    def heard_seconds(self) -> float:
        """For how long heartbeats have reached the store from here, as far as anybody noticed."""
        return time.monotonic() - self._heard_from

    async def run(self) -> None:
        """Until cancelled; a transaction under way then ends first. A store that is away is asked again soon."""
        while True:
            turn = asyncio.create_task(self._turn(), name="ticker turn")
            try:
                await asyncio.shield(turn)
            except asyncio.CancelledError:
                await asyncio.wait([turn])
                raise
            except Unavailable as error:
                telemetry.log.warning("ticker.store_away", detail=error.detail)
                self._heard_from = time.monotonic()
                self._next = time.monotonic() + _AWAY_SECONDS
            await self._pause()

    async def _turn(self) -> None:
        if not self._hears():
            self._heard_from = time.monotonic()
        if time.monotonic() >= self._listen_at:
            await self._store.look_for_listeners()
            self._listen_at = time.monotonic() + self._poll_seconds
        await self._sweep_due()
        now = time.monotonic()
        if now >= self._scan_at:
            await repair_orphans(store=self._store, poke=self.poke)
            self._scan_at = now + self._orphan_scan_seconds
        if now >= self._prune_at:
            await self._store.prune(older_than_seconds=_FORGET_AFTER_SECONDS)
            self._prune_at = now + _PRUNE_EVERY_SECONDS

    async def _sweep_due(self) -> None:
        """Handle all that is due, then note when the next thing is."""
        self._poked.clear()
        self._next = time.monotonic() + self._poll_seconds
        while (due := await self._store.next_wake_seconds()) is not None and due <= 0:
            empty = await self._known_empty()
            heard = self.heard_seconds
            if await sweep(store=self._store, empty_queues=empty, heard_seconds=heard, poke=self.poke) < SWEEP_RUNS:
                break
        self.poke(due)

    async def _pause(self) -> None:
        """Sleep until the next wake-up; whoever notes an earlier one cuts it short."""
        while (seconds := self._next - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._poked.wait()
            except TimeoutError:
                return
            self._poked.clear()

    async def _known_empty(self) -> Mapping[str, float]:
        """`World.empty_queues`. The broker is asked at most every few seconds; while it does not say, or something of
        ours is on its way, no queue is known to be empty."""
        if self._outbox_age_seconds() > 1.0:
            self._empty = {}
            return {}
        if time.monotonic() - self._looked_at > TAKEN_SECONDS:
            began = time.monotonic()
            try:
                found = await self._empty_queues()
            except SteptrailError as error:
                telemetry.log.info("ticker.queues_unknown", detail=error.detail)
                found = frozenset()
            self._empty = {kind: began - self._looked_at if kind in self._empty else 0.0 for kind in found}
            self._looked_at = time.monotonic()
        return self._empty
