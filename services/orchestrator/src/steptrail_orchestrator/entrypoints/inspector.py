"""What looks at the rights of databases' accounts soon after a connection was saved, and once a day from then on."""

import asyncio
from contextlib import suppress

from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionView
from steptrail_common.contracts.connections import TRIED_BY
from steptrail_common.errors import NotFound, SteptrailError

from steptrail_orchestrator.handlers import test_connection
from steptrail_orchestrator.ports import Catalog, InspectionStore, Prober, RunReader

LOOK_SECONDS = 30.0
DAILY_SECONDS = 86_400.0
CLAIM_SECONDS = 60.0
"""Longer than a look takes: if the replica that looks dies, another one does after it."""


class Inspector:
    """`run` in the background. Every replica has one; each account is looked at by the one that claims it.

    One that fails is not asked more often, nor after a restart: a wrong password that is repeated locks accounts.
    """

    def __init__(
        self,
        catalog: Catalog,
        reader: RunReader,
        prober: Prober,
        turns: InspectionStore,
        *,
        live_seconds: float,
        look_seconds: float = LOOK_SECONDS,
        every_seconds: float = DAILY_SECONDS,
    ) -> None:
        self._catalog, self._reader, self._prober, self._turns = catalog, reader, prober, turns
        self._live_seconds = live_seconds
        self._look_seconds, self._every_seconds = look_seconds, every_seconds

    async def run(self) -> None:
        """Until cancelled. A catalog, store or worker that is away is asked again at the next look."""
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                await self.look()
            except SteptrailError as error:
                telemetry.log.info("rights.not_inspected", detail=error.detail)

    async def look(self) -> int:
        """Inspect every account whose turn it is; how many. Raises `Unavailable`."""
        now, inspected = await self._reader.now(), 0
        for connection in await self._catalog.connections():
            at = connection.rights.checked_at
            fresh = at is not None and (now - at).total_seconds() < self._every_seconds
            if fresh or connection.settings.kind in TRIED_BY:
                continue
            place = connection.connection_id, connection.version
            if not await self._turns.claim(*place, seconds=CLAIM_SECONDS):
                continue
            with suppress(NotFound):  # deleted meanwhile; the others still have their turn
                await self._inspect(connection)
                inspected += 1
        return inspected

    async def _inspect(self, connection: ConnectionView) -> None:
        """Raises `SteptrailError` if it could not be tried; then its turn is still to come."""
        place = connection.connection_id, connection.version
        try:
            answer = await test_connection(
                connection.connection_id,
                catalog=self._catalog,
                reader=self._reader,
                prober=self._prober,
                live_seconds=self._live_seconds,
            )
        except SteptrailError:
            await self._turns.put_off(*place, seconds=0.0)
            raise
        await self._turns.put_off(*place, seconds=self._every_seconds)
        level = answer.rights.level if answer.rights else "unknown"
        telemetry.log.info("rights.inspected", connection_id=connection.connection_id, ok=answer.ok, level=level)
