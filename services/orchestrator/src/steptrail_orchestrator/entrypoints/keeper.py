"""What keeps the store from growing for ever, where the installation has said how long runs are kept."""

import asyncio

from steptrail_common import telemetry
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.handlers import forget_old_runs
from steptrail_orchestrator.ports import RunStore

FIRST_SECONDS = 30.0
EVERY_SECONDS = 3600.0


class Keeper:
    """`run` in the background; without `keep_days` it has nothing to do."""

    def __init__(self, store: RunStore, evidence: EvidenceStore, *, keep_days: float) -> None:
        """`keep_days`: 0 keeps runs for ever."""
        self._store = store
        self._evidence = evidence
        self._keep_seconds = keep_days * 86400

    async def run(self) -> None:
        """Until cancelled. A store that is away is asked again in an hour."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            if self._keep_seconds:
                try:
                    await forget_old_runs(store=self._store, evidence=self._evidence, keep_seconds=self._keep_seconds)
                except Unavailable as error:
                    telemetry.log.warning("keeper.store_away", detail=error.detail)
            await asyncio.sleep(EVERY_SECONDS)
