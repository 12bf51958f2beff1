"""What the check kind needs of a database: one statement, and what the account may do."""

from typing import Protocol

from steptrail_checks.port import OpenedConnection
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery

from steptrail_dbprobe.domain.rows import Rows


class Engine(Protocol):
    """One kind of database. A new connection per call, never shared, closed in every case."""

    async def query(
        self, connection: OpenedConnection, check: DbQuery, *, timeout_seconds: float, timings: dict[str, float]
    ) -> Rows:
        """Run exactly one statement, read-only, within the limits; fills `timings`. Raises `CheckFailed`."""

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        """What the account may do. Raises `CheckFailed`."""
