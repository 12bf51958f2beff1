"""Questions to workers that are not runs, and whose turn it is to ask them."""

from typing import Protocol

from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.workers import KeyRequest, ProbeAnswer, StepRequest


class InspectionStore(Protocol):
    """Whose turn it is to look at the rights of accounts. Every method is one statement. Raises `Unavailable`."""

    async def claim(self, connection_id: str, version: int, *, seconds: float) -> bool:
        """Whether the caller looks at this version of a connection now: of several callers one. The claim lapses after
        so many seconds, or when the connection is saved again."""

    async def put_off(self, connection_id: str, version: int, *, seconds: float) -> None:
        """By whom had the claim: nobody looks at this version again for so long."""


class Prober(Protocol):
    """Asks a worker for something that is not recorded as a run."""

    async def ask(
        self,
        check_type: str,
        *,
        request: StepRequest | None = None,
        connection: SealedConnection | None = None,
        keys: KeyRequest | None = None,
        timeout_seconds: float,
    ) -> ProbeAnswer:
        """Send exactly one of the three to a worker of the check type. Raises `Unavailable` if none answers in time."""
