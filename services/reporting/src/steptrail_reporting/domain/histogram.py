"""Durations counted in logarithmic buckets, so that percentiles of any period are sums of small rows.

Bucket i holds the seconds in (γ^(i-1), γ^i] with γ = (1 + α) / (1 - α); its estimate 2 γ^i / (γ + 1) is at most
the share α away from every value in it (the mapping of DDSketch, Masson, Rim and Lee, VLDB 2019). A percentile
read from the buckets is therefore within ±2 % of the value a full sort would give at the same rank. Values
below 1 ms count as 1 ms.
"""

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.02
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
SMALLEST_SECONDS = 0.001
_LOG_GAMMA = math.log(GAMMA)


def bucket_of(seconds: float) -> int:
    """The bucket of a duration; what is not a number, or negative, counts as the smallest."""
    if not seconds > SMALLEST_SECONDS:
        seconds = SMALLEST_SECONDS
    return math.ceil(math.log(min(seconds, 1e12)) / _LOG_GAMMA - 1e-9)


def seconds_of(bucket: int) -> float:
    """The estimate for a bucket, in seconds."""
    return float(2 * GAMMA**bucket / (GAMMA + 1))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """The duration at the rank ceil(share · n) of the counted ones; None when nothing was counted."""
    total = sum(buckets.values())
    if total <= 0:
        return None
    rank = max(1, math.ceil(share * total))
    reached = 0
    for bucket in sorted(buckets):
        reached += buckets[bucket]
        if reached >= rank:
            return round(seconds_of(bucket), 6)
    return None  # pragma: no cover - the loop reaches the total
