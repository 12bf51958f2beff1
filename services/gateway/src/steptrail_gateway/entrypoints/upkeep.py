"""What the gateway does by the clock: keep streams alive, end those whose sign-in is over, sweep its store."""

import asyncio
from typing import Final

from steptrail_common import telemetry
from steptrail_common.clock import Clock
from steptrail_common.errors import SteptrailError

from steptrail_gateway.domain.people import SessionLimits
from steptrail_gateway.domain.throttle import WINDOW
from steptrail_gateway.entrypoints.hub import Hub
from steptrail_gateway.handlers import sign_in
from steptrail_gateway.ports import CredentialStore

KEEP_ALIVE_SECONDS: Final = 15.0
RECHECK_SECONDS: Final = 30.0
SWEEP_SECONDS: Final = 600.0


class Upkeep:
    """Background tasks; each runs until it is cancelled."""

    def __init__(self, hub: Hub, credentials: CredentialStore, clock: Clock, limits: SessionLimits) -> None:
        self._hub = hub
        self._credentials = credentials
        self._clock = clock
        self._limits = limits

    async def keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            self._hub.keep_alive()

    async def recheck(self) -> None:
        """While the store is away nobody is cut off: new requests fail anyway, and it may be back at once."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            await self.recheck_once()

    async def recheck_once(self) -> None:
        try:
            ended = await sign_in.no_longer_valid(
                self._hub.callers(),
                "events.read",
                credentials=self._credentials,
                clock=self._clock,
                limits=self._limits,
            )
        except SteptrailError as error:
            telemetry.log.warning("stream.recheck_failed", detail=error.detail)
            return
        self._hub.close_of(ended)

    async def sweep(self) -> None:
        while True:
            await self._credentials.prune(self._clock.now(), self._limits.idle, WINDOW)
            await asyncio.sleep(SWEEP_SECONDS)
