"""Politeness towards targets: how often and how many at once, and when to leave one alone for a while.

A target is what answers: `host:port`, a bucket. Local folders and files are nobody's, they need no politeness.
The rate is shared by all workers that keep it in the same store; the other two are each worker's own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from steptrail_common import telemetry
from steptrail_common.contracts.checks import Check
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.errors import ConfigurationError

from steptrail_checks.port import CheckFailed
from steptrail_checks.values import spoken_seconds

PATIENCE_SECONDS = 10.0
"""How long an attempt waits for its turn, at most; its own time does not run meanwhile."""
FAILURES_IN_A_ROW = 5
"""After so many checks that could not even connect, a target is left alone …"""
REST_SECONDS = 15.0
"""… for so long; then one check tries it for all."""
MAX_TARGETS = 10_000
"""Targets whose failures are remembered; beyond it all are forgotten, which only costs politeness."""
STORE_REST_SECONDS = 30.0
"""How long each worker counts for itself when the shared store did not answer."""
MEMORY = "memory:"
OFF = "off"
_UNREACHABLE = frozenset({FailureClass.DNS, FailureClass.CONNECT})
_SHORTEST_PAUSE_SECONDS = 0.02

log = structlog.get_logger()


def target_of(check: Check, settings: ConnectionSettings | None) -> str | None:
    """Whom a check asks: `host:port` in lower case, `s3:bucket`, `azure_blob:account`; None for what is local."""
    hosts = [touch.target for touch in check.touches(settings) if touch.kind == "host"]
    if hosts:
        return hosts[0].lower()
    if endpoint := getattr(settings, "endpoint_url", None):
        return urlsplit(str(endpoint)).netloc.lower()
    if settings is not None and (store := getattr(settings, "bucket", None) or getattr(settings, "account", None)):
        return f"{settings.kind}:{store}"
    if host := getattr(settings, "host", None):
        return f"{host}:{getattr(settings, 'port', '')}".lower()
    return None


class Politeness:
    """The turns of one worker. Safe for any number of attempts at once."""

    def __init__(
        self,
        *,
        rate: str = "20/second",
        concurrency: int = 10,
        store: str = MEMORY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate`: checks of one target, such as `20/second` or `100/minute`, or `off`; `concurrency`: checks of one
        target under way at once in this worker; `store`: `memory:`, `redis://…` or `mongodb://…/database`.
        Raises `ConfigurationError`."""
        self._rate = Rate(rate, store, monotonic)
        self._concurrency = concurrency
        self._gates: dict[str, _Gate] = {}
        self._breaker = CircuitBreaker(monotonic)
        self._monotonic = monotonic

    @asynccontextmanager
    async def turn(self, target: str | None, *, insist: bool = False) -> AsyncIterator[None]:
        """The check of a target goes inside; it waits here for its turn. `insist`: also of one that is left alone,
        since a person asks. Raises `CheckFailed`: `rate_limited` when the turn does not come, and the last failure
        of a target that is left alone."""
        if target is None:
            yield
            return
        end = self._monotonic() + PATIENCE_SECONDS
        async with self._place(target, end):
            await self._rate.take(target, end)
            with self._breaker.watching(target, insist=insist):
                yield

    async def close(self) -> None:
        """Give back the store."""
        await self._rate.close()

    @asynccontextmanager
    async def _place(self, target: str, end: float) -> AsyncIterator[None]:
        gate = self._gates.setdefault(target, _Gate(asyncio.Semaphore(self._concurrency)))
        gate.users += 1
        try:
            try:
                async with asyncio.timeout(max(end - self._monotonic(), 0)):
                    await gate.slots.acquire()
            except TimeoutError:
                raise _held_back(f"{self._concurrency} checks of {target} are under way", "target_busy") from None
            try:
                yield
            finally:
                gate.slots.release()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[target]


@dataclass(slots=True)
class _Gate:
    slots: asyncio.Semaphore
    users: int = 0


class Rate:
    """How often a target is asked, counted in a moving window by the `limits` library."""

    def __init__(self, rate: str, store: str, monotonic: Callable[[], float]) -> None:
        self._limit = parse_rate(rate)
        self._own = MovingWindowRateLimiter(storage_from_string("memory://"))
        self._shared = None if store == MEMORY else _shared_limiter(store)
        self._again_at = 0.0
        self._monotonic = monotonic

    async def take(self, target: str, end: float) -> None:
        """Wait until the target may be asked. Raises `CheckFailed` when that is not before `end` (monotonic)."""
        if self._limit is None:
            return
        waited = False
        while (pause := await self._pause(self._limit, target)) > 0:
            if not waited:
                telemetry.HELD_BACK.inc()
                waited = True
            if self._monotonic() + pause > end:
                raise _held_back(f"{target} is asked at most {spoken_rate(self._limit)}", "target_rate")
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close the connections to the store."""
        client = getattr(self._shared.storage, "storage", None) if self._shared else None
        if (close := getattr(client, "close", None)) is not None:
            await asyncio.to_thread(close)

    async def _pause(self, limit: RateLimitItem, target: str) -> float:
        """0 if the turn was taken; else how many seconds to wait before the next attempt at it."""
        if self._shared is None or self._monotonic() < self._again_at:
            return _taken(self._own, limit, target)
        try:
            return await asyncio.to_thread(_taken, self._shared, limit, target)
        except Exception as error:  # each store has errors of its own; none may keep checks from running
            self._again_at = self._monotonic() + STORE_REST_SECONDS
            log.warning("limits.store_away", detail=str(error)[:200], seconds=STORE_REST_SECONDS)
            return _taken(self._own, limit, target)


def _taken(limiter: MovingWindowRateLimiter, limit: RateLimitItem, target: str) -> float:
    if limiter.hit(limit, target):
        return 0.0
    return max(limiter.get_window_stats(limit, target).reset_time - time.time(), _SHORTEST_PAUSE_SECONDS)


def parse_rate(rate: str) -> RateLimitItem | None:
    """`20/second`, `100 per minute`; None for `off`. Raises `ConfigurationError`."""
    if rate.strip().lower() == OFF:
        return None
    try:
        return parse(rate)
    except ValueError:
        raise ConfigurationError(f"target_rate: {rate!r} is not a rate such as 20/second, 100/minute or off") from None


def spoken_rate(limit: RateLimitItem) -> str:
    """`20 times in 1 s`."""
    return f"{limit.amount} times in {spoken_seconds(limit.get_expiry())}"


def _shared_limiter(store: str) -> MovingWindowRateLimiter:
    """The limiter of an address. Nothing is connected yet. Raises `ConfigurationError`."""
    scheme = store.partition(":")[0]
    options: dict[str, object] = {}
    if scheme in ("redis", "rediss"):
        options = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    elif scheme in ("mongodb", "mongodb+srv"):
        database = urlsplit(store).path.strip("/") or "steptrail_limits"
        options = {"database_name": database, "serverSelectionTimeoutMS": 1000, "socketTimeoutMS": 1000}
    else:
        raise ConfigurationError(f"limits: {scheme}: must be memory:, redis://…, rediss://… or mongodb://…/database")
    try:
        return MovingWindowRateLimiter(storage_from_string(store, **options))  # type: ignore[arg-type]
    except Exception as error:  # a driver that is missing, an address that cannot be read
        raise ConfigurationError(f"limits: {scheme} cannot be used: {error}") from None


@dataclass(slots=True)
class _Row:
    """Failures of a target that followed one another."""

    failures: int = 0
    last: CheckFailed | None = field(default=None, repr=False)
    rests_until: float = 0.0
    trying: bool = False


class CircuitBreaker:
    """Leaves a target alone that could not be reached several times in a row; then one check tries it for all."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._rows: dict[str, _Row] = {}
        self._monotonic = monotonic

    def watching(self, target: str, *, insist: bool) -> "_Watch":
        """The check goes inside. Raises `CheckFailed` like the last one while the target is left alone."""
        row = self._rows.get(target)
        if row is not None and row.last is not None and row.failures >= FAILURES_IN_A_ROW and not insist:
            left = row.rests_until - self._monotonic()
            if left > 0 or row.trying:
                again = f"in {spoken_seconds(max(round(left), 1))}" if left > 0 else "as soon as one check came through"
                raise CheckFailed(
                    row.last.failure_class,
                    f"{target} could not be reached {row.failures} times in a row and is asked again {again}; "
                    f"the last time: {row.last.message}",
                    reason="circuit_open",
                )
            row.trying = True
        return _Watch(self, target)

    def reached(self, target: str) -> None:
        """It answered, whatever it said."""
        self._rows.pop(target, None)

    def failed(self, target: str, error: CheckFailed) -> None:
        """It could not be reached."""
        if len(self._rows) >= MAX_TARGETS:
            self._rows.clear()
        row = self._rows.setdefault(target, _Row())
        row.failures += 1
        row.last = CheckFailed(error.failure_class, error.message, reason=error.reason)
        row.trying = False
        row.rests_until = self._monotonic() + REST_SECONDS

    def unknown(self, target: str) -> None:
        """The check ended before that was known: somebody else may try."""
        if (row := self._rows.get(target)) is not None:
            row.trying = False


class _Watch:
    """Tells the breaker how a check ended."""

    def __init__(self, breaker: CircuitBreaker, target: str) -> None:
        self._breaker, self._target = breaker, target

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CheckFailed) and error.failure_class in _UNREACHABLE:
            self._breaker.failed(self._target, error)
        elif error is None or isinstance(error, CheckFailed):
            self._breaker.reached(self._target)
        else:
            self._breaker.unknown(self._target)


def _held_back(why: str, reason: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.RATE_LIMITED,
        f"not checked: {why}, and the turn did not come within {spoken_seconds(PATIENCE_SECONDS)}",
        reason=reason,
        ours=True,
    )
