"""The clock port. Deadlines use the database's clock; this one is for timestamps of our own facts and for tests."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment in UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow, for measuring."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
