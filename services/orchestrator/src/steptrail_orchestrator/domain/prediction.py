"""What is usual: how long a step or run takes, and from when on it is slower than that. From good runs only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

Sample = tuple[datetime, float]
"""When a good run began, and the seconds it or a step of it took."""
ENOUGH = 5
"""Fewer samples say nothing about an hour of the week, nor about what is slow."""
NEWEST = 20
_TO_SIGMA = 1.4826
"""Times the median absolute deviation: the standard deviation of a normal distribution, 1 / 0.6745."""
_OUTLIER = 3.5
"""Deviations from the median that make an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
_LEAST_SHARE, _LEAST_SECONDS = 0.5, 0.1
"""What always took the same time is not slow for a trifle."""


@dataclass(frozen=True, slots=True)
class Usual:
    """`seconds`: the median. `slow_after_seconds`: None while too few runs are known."""

    seconds: float
    slow_after_seconds: float | None


def usual(samples: Sequence[Sample], at: datetime) -> Usual | None:
    """What is usual for something that began at `at`; samples newest first. None without any.

    The same hour of the week (UTC) counts if it is known well enough: a nightly load makes Sunday at two slow for
    years. Otherwise the newest good runs count.
    """
    hour = _hour_of_week(at)
    then = [seconds for began, seconds in samples if _hour_of_week(began) == hour][:NEWEST]
    taken = then if len(then) >= ENOUGH else [seconds for _, seconds in samples[:NEWEST]]
    if not taken:
        return None
    middle = median(taken)
    if len(taken) < ENOUGH:
        return Usual(middle, None)
    spread = _TO_SIGMA * median(abs(seconds - middle) for seconds in taken)
    return Usual(middle, middle + max(_OUTLIER * spread, _LEAST_SHARE * middle, _LEAST_SECONDS))


def _hour_of_week(moment: datetime) -> int:
    there = moment.astimezone(UTC)
    return there.weekday() * 24 + there.hour
