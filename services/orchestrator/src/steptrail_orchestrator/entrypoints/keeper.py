"""What keeps the store in shape: partitions for the coming months, and old runs forgotten where that is wanted."""

import asyncio

from steptrail_common import telemetry
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.handlers import Archive, forget_old_runs
from steptrail_orchestrator.ports import RunKeeping

FIRST_SECONDS = 30.0
EVERY_SECONDS = 3600.0


class Keeper:
    """`run` in the background; `prepare` before the first run is stored."""

    def __init__(
        self, keeping: RunKeeping, evidence: EvidenceStore, *, keep_days: float, archive: Archive | None
    ) -> None:
        """`keep_days`: 0 keeps runs for ever; `archive`: where they go before they are forgotten."""
        self._keeping = keeping
        self._evidence = evidence
        self._keep_seconds = keep_days * 86400
        self._archive = archive

    async def prepare(self) -> None:
        """Make what is missing. Other replicas work meanwhile: if they are in the way, it is tried again in an hour,
        months before it is needed."""
        try:
            await self._keeping.prepare_months()
        except Unavailable as error:
            telemetry.log.warning("keeper.months_not_made", detail=error.detail)

    async def run(self) -> None:
        """Until cancelled. A store or an archive that is away is asked again in an hour."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.prepare()
            if self._keep_seconds:
                try:
                    await forget_old_runs(
                        keeping=self._keeping,
                        evidence=self._evidence,
                        keep_seconds=self._keep_seconds,
                        archive=self._archive,
                    )
                except Unavailable as error:
                    telemetry.log.warning("keeper.not_forgotten", detail=error.detail)
            await asyncio.sleep(EVERY_SECONDS)
