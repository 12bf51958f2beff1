"""Deliveries: when the next try is due, and when it is given up."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

KEEP_TRYING = timedelta(hours=24)
FIRST_PAUSE_SECONDS = 5.0
PAUSE_FACTOR = 3.0
LONGEST_PAUSE_SECONDS = 7200.0
"""5 s, 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, then every 2 h: about 18 tries in a day."""
JITTER = 0.2
"""Pauses are longer or shorter by up to this share, so that receivers are not hit by all senders at once."""
Status = Literal["pending", "delivered", "undelivered"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one try brought: a status code, or an error when there was no answer.

    `answer`: what was said, in one line. `permanent`: repeating it cannot help. `owed`: who of several recipients has
    not got it; empty when nothing is known of them one by one.
    """

    status_code: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None
    answer: str | None = None
    permanent: bool = False
    owed: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a delivery after a try; `next_try_at` only while pending."""

    status: Status
    next_try_at: datetime | None
    error: str | None


def after(attempt: Attempt, *, tries: int, now: datetime, give_up_at: datetime, chance: float) -> Step:
    """The state after try number `tries` (from 1). `chance` in [0, 1) spreads the pause."""
    if attempt.accepted:
        return Step("delivered", None, None)
    error = attempt.error or _explain(attempt.status_code)
    due = now + timedelta(seconds=pause(tries, chance, attempt.retry_after_seconds))
    if attempt.permanent or due > give_up_at:
        return Step("undelivered", None, error)
    return Step("pending", due, error)


def pause(tries: int, chance: float, asked_seconds: float | None = None) -> float:
    """Seconds until the next try; what the receiver asked for with `Retry-After` counts if it is longer."""
    grown = min(FIRST_PAUSE_SECONDS * math.pow(PAUSE_FACTOR, min(tries - 1, 10)), LONGEST_PAUSE_SECONDS)
    spread = grown * (1 + JITTER * (2 * chance - 1))
    return max(spread, min(asked_seconds or 0.0, LONGEST_PAUSE_SECONDS))


def _explain(status_code: int | None) -> str:
    if status_code is not None and 300 <= status_code < 400:
        return f"the receiver answered {status_code}: redirects are not followed, enter the final address"
    return f"the receiver answered {status_code}, expected 2xx"
