"""Targets that cannot be reached are left alone for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field

from limits import RateLimitItemPerMinute
from limits.strategies import MovingWindowRateLimiter
from steptrail_common.contracts.model import FailureClass

from steptrail_checks.port import CheckFailed
from steptrail_checks.shared_counts import SharedCounts
from steptrail_checks.values import spoken_seconds

FAILURES_IN_A_ROW = 5
"""After so many checks that could not even connect, a target is left alone …"""
REST_SECONDS = 15.0
"""… for so long; then one check of each worker tries it."""
MAX_TARGETS = 10_000
"""Targets whose failures are remembered; beyond it all are forgotten, which only costs politeness."""
_UNREACHABLE = frozenset({FailureClass.DNS, FailureClass.CONNECT})
_TOGETHER = RateLimitItemPerMinute(FAILURES_IN_A_ROW)
"""Failures of the last minute at all workers; the first answer that one of them gets after its own ends the row."""
_KEY = "unreachable"


@dataclass(slots=True)
class _Row:
    """Failures of a target that followed one another."""

    failures: int = 0
    last: CheckFailed | None = field(default=None, repr=False)
    rests_until: float = 0.0
    trying: bool = False


class CircuitBreaker:
    """Leaves a target alone that could not be reached several times in a row; then one check tries it for all.

    Workers with a common store count the failures together. A worker that has not failed itself knows nothing and asks
    nobody: what works costs nothing, and a worker with a network of its own is not told by others what it can reach.
    """

    def __init__(self, counts: SharedCounts, monotonic: Callable[[], float]) -> None:
        self._rows: dict[str, _Row] = {}
        self._counts = counts
        self._monotonic = monotonic

    async def watching(self, target: str, *, insist: bool) -> "_Watch":
        """The check goes inside. Raises `CheckFailed` like the last one while the target is left alone."""
        row = self._rows.get(target)
        if row is not None and row.last is not None and not insist:
            if row.failures < FAILURES_IN_A_ROW:
                row.failures = max(row.failures, await self._counts.ask(lambda limiter: _count(limiter, target)) or 0)
            if row.failures >= FAILURES_IN_A_ROW:
                self._admit(target, row, row.last)
        return _Watch(self, target)

    async def reached(self, target: str) -> None:
        """It answered, whatever it said."""
        if self._rows.pop(target, None) is not None:
            await self._counts.ask(lambda limiter: limiter.clear(_TOGETHER, _KEY, target))

    async def failed(self, target: str, error: CheckFailed) -> None:
        """It could not be reached."""
        if len(self._rows) >= MAX_TARGETS:
            self._rows.clear()
        row = self._rows.setdefault(target, _Row())
        row.failures += 1
        row.last = CheckFailed(error.failure_class, error.message, reason=error.reason)
        row.trying = False
        row.rests_until = self._monotonic() + REST_SECONDS
        await self._counts.ask(lambda limiter: limiter.hit(_TOGETHER, _KEY, target))

    def unknown(self, target: str) -> None:
        """The check ended before that was known: somebody else may try."""
        if (row := self._rows.get(target)) is not None:
            row.trying = False

    def _admit(self, target: str, row: _Row, last: CheckFailed) -> None:
        """One check at a time, and only after the rest."""
        left = row.rests_until - self._monotonic()
        if left > 0 or row.trying:
            again = f"in {spoken_seconds(max(round(left), 1))}" if left > 0 else "as soon as one check came through"
            raise CheckFailed(
                last.failure_class,
                f"{target} could not be reached {row.failures} times in a row and is asked again {again}; "
                f"the last time: {last.message}",
                reason="circuit_open",
            )
        row.trying = True


class _Watch:
    """Tells the breaker how a check ended."""

    def __init__(self, breaker: CircuitBreaker, target: str) -> None:
        self._breaker, self._target = breaker, target

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CheckFailed) and error.failure_class in _UNREACHABLE:
            await self._breaker.failed(self._target, error)
        elif error is None or isinstance(error, CheckFailed):
            await self._breaker.reached(self._target)
        else:
            self._breaker.unknown(self._target)


def _count(limiter: MovingWindowRateLimiter, target: str) -> int:
    """Failures of all workers."""
    return FAILURES_IN_A_ROW - limiter.get_window_stats(_TOGETHER, _KEY, target).remaining
