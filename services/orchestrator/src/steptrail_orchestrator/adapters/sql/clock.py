"""The database's clock, without asking for it."""

import time
from datetime import datetime, timedelta

VALID_SECONDS = 5.0
"""So long what the database said last is reckoned on: clocks of two machines drift apart by microseconds meanwhile."""


class DatabaseClock:
    """Reckons on from what the database said last; behind it by at most the way of that answer."""

    def __init__(self) -> None:
        self._said: datetime | None = None
        self._heard_at = 0.0

    def heard(self, now: datetime) -> None:
        """The database has just said this."""
        self._said, self._heard_at = now, time.monotonic()

    def now(self) -> datetime | None:
        """The moment, or None when the database has been silent for too long."""
        passed = time.monotonic() - self._heard_at
        if self._said is None or passed > VALID_SECONDS:
            return None
        return self._said + timedelta(seconds=passed)
