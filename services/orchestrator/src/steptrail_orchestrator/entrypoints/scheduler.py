"""What starts runs by schedule on this replica: wakes when the next one is due, and keeps schedules current.

Every replica has one; whoever locks a due schedule first acts upon it. No leader.
"""

import asyncio
import time
from collections.abc import Callable

from steptrail_common import telemetry
from steptrail_common.errors import Unavailable

from steptrail_orchestrator.handlers import fire_schedules, resync_schedules
from steptrail_orchestrator.handlers.scheduling import FIRE_AT_ONCE
from steptrail_orchestrator.ports import Catalog, ScheduleStore

_AWAY_SECONDS = 2.0


class Scheduler:
    """`run` in the background; `poke` when schedules have changed."""

    def __init__(
        self,
        schedules: ScheduleStore,
        catalog: Catalog,
        *,
        new_run_id: Callable[[], str],
        poll_seconds: float,
        resync_seconds: float,
    ) -> None:
        """`resync_seconds`: how often all processes are compared with the catalog, besides at the start: events of
        the catalog tell of changes, this finds what they did not."""
        self._schedules = schedules
        self._catalog = catalog
        self._new_run_id = new_run_id
        self._poll_seconds = poll_seconds
        self._resync_seconds = resync_seconds
        self._resync_at = 0.0
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Schedules have changed: look when the next one is due."""
        self._poked.set()

    async def run(self) -> None:
        """Until cancelled; a transaction under way then ends first."""
        while True:
            turn = asyncio.create_task(self._turn(), name="scheduler turn")
            try:
                pause = await asyncio.shield(turn)
            except asyncio.CancelledError:
                await asyncio.wait([turn])
                raise
            except Unavailable as error:
                telemetry.log.warning("scheduler.waiting", detail=error.detail)
                pause = _AWAY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._poked.wait()
            except TimeoutError:
                pass

    async def _turn(self) -> float:
        """Act upon what is due; returns the seconds until something is due again. Schedules are fired also while the
        catalog is away to compare with: what it keeps of definitions may do."""
        self._poked.clear()
        pause = self._poll_seconds
        try:
            if time.monotonic() >= self._resync_at:
                changed = await resync_schedules(catalog=self._catalog, schedules=self._schedules)
                self._resync_at = time.monotonic() + self._resync_seconds
                if changed:
                    telemetry.log.info("scheduler.synchronised", processes=changed)
        except Unavailable as error:
            telemetry.log.warning("scheduler.catalog_away", detail=error.detail)
            pause = _AWAY_SECONDS
        while (due := await self._schedules.next_fire_seconds()) is not None and due <= 0:
            acted = await fire_schedules(schedules=self._schedules, catalog=self._catalog, new_run_id=self._new_run_id)
            if not acted:
                return min(pause, _AWAY_SECONDS)
            if acted < FIRE_AT_ONCE:
                break
        return pause if due is None else min(pause, max(due, 0.0))
