"""Politeness towards targets: how often and how many at once, and when to leave one alone for a while.

A target is what answers: `host:port`, a bucket. Local folders and files are nobody's, they need no politeness.
All workers that name the same store share the rate, the places for checks under way at once, and what they know of
targets that cannot be reached.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from steptrail_common import telemetry
from steptrail_common.contracts.checks import Check
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepRequest
from steptrail_common.errors import ConfigurationError

from steptrail_checks.circuit import CircuitBreaker
from steptrail_checks.port import CheckFailed
from steptrail_checks.shared_counts import MEMORY, SharedCounts
from steptrail_checks.shared_places import RENEW_SECONDS
from steptrail_checks.values import spoken_seconds

PATIENCE_SECONDS = 10.0
"""How long an attempt waits for the rate, at most, and a person for a place; its own time does not run meanwhile."""
OFF = "off"
_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
"""Between two attempts at a place that workers share."""

_prepaid: ContextVar[set[str] | None] = ContextVar("prepaid", default=None)
"""The target whose turn the check under way has taken, until its first request."""


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


def request_target(request: StepRequest) -> str | None:
    """Whom a request asks, before anything of it was tried: a local folder or file counts as its connection's."""
    settings = request.connection.settings if request.connection else None
    try:
        target = target_of(request.check, settings)
    except Exception:  # of a plugin; the attempt will say what is wrong
        return None
    if target is None and request.connection is not None:
        return f"connection {request.connection.connection_id}"
    return target


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
        """`rate`: requests to one target, such as `20/second` or `100/minute`, or `off`; `concurrency`: checks of one
        target under way at once, in all workers with the same store; `store`: `memory:`, `redis://…` or `mongodb://…/database`.
        Raises `ConfigurationError`."""
        self._counts = SharedCounts(store, monotonic)
        self._rate = Rate(rate, self._counts, monotonic)
        self.concurrency = concurrency
        self._gates: dict[str, _Gate] = {}
        self._places = _SharedPlaces(self._counts, concurrency, monotonic)
        self._breaker = CircuitBreaker(self._counts, monotonic)
        self._monotonic = monotonic

    @asynccontextmanager
    async def turn(self, target: str | None, *, insist: bool = False) -> AsyncIterator[None]:
        """The check of a target goes inside; it waits here for its turn: for others to end as long as they last, for
        the rate for a while. `insist`: a person asks, who waits for a while only, and also asks a target that is left
        alone. Raises `CheckFailed`: `rate_limited` when the turn does not come, and the last failure of a target that
        is left alone."""
        if target is None:
            yield
            return
        end = self._monotonic() + PATIENCE_SECONDS if insist else math.inf
        gate = self._gates.setdefault(target, _Gate(asyncio.Semaphore(self.concurrency)))
        gate.users += 1
        try:
            await self._own_place(gate.slots, target, end)
            try:
                async with self._places.place(target, end) if self._counts.shared else nullcontext():
                    await self._rate.take(target, self._monotonic() + PATIENCE_SECONDS)
                    async with await self._breaker.watching(target, insist=insist):
                        token = _prepaid.set({target})
                        try:
                            yield
                        finally:
                            _prepaid.reset(token)
            finally:
                gate.slots.release()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[target]

    async def pace(self, target: str, end: float) -> None:
        """For every request of a check: waits until the rate allows it. The check's own turn was for the first one at
        its target. Raises `CheckFailed` (`rate_limited`) when the turn does not come before `end` (monotonic)."""
        prepaid = _prepaid.get()
        if prepaid is not None and target in prepaid:
            prepaid.discard(target)
            return
        await self._rate.take(target, end)

    def waits(self, target: str | None) -> str | None:
        """What to tell of a check of this target that has a slot and has not begun: other workers hold all places."""
        if target is None or not self._places.waited(target):
            return None
        return f"waits for other checks of {target}: {self.concurrency} under way"

    @property
    def someone_waits(self) -> bool:
        """Whether a check waits here for those of other workers."""
        return self._places.waited()

    async def close(self) -> None:
        """Give back the store."""
        await self._counts.close()

    async def _own_place(self, slots: asyncio.Semaphore, target: str, end: float) -> None:
        if not slots.locked():  # taken at once: a limit of time costs more than the place
            await slots.acquire()
            return
        try:
            async with asyncio.timeout(None if end == math.inf else max(end - self._monotonic(), 0)):
                await slots.acquire()
        except TimeoutError:
            raise _busy(target, self.concurrency) from None


@dataclass(slots=True)
class _Gate:
    slots: asyncio.Semaphore
    users: int = 0


class _SharedPlaces:
    """The places at targets in the store that workers share. While it is away nobody waits: then each worker's own
    places hold."""

    def __init__(self, counts: SharedCounts, limit: int, monotonic: Callable[[], float]) -> None:
        self._counts = counts
        self._limit = limit
        self._monotonic = monotonic
        self._waiting: Counter[str] = Counter()

    def waited(self, target: str | None = None) -> bool:
        """Whether a check of this target waits for a place, or of any."""
        return any(self._waiting.values()) if target is None else self._waiting[target] > 0

    @asynccontextmanager
    async def place(self, target: str, end: float) -> AsyncIterator[None]:
        """The check goes inside. Raises `CheckFailed` (`target_busy`) when there is no place before `end`."""
        holder = uuid4().hex
        taken = await self._taken(target, holder)
        if taken is False:
            self._waiting[target] += 1
            try:
                taken = await self._waited_for(target, holder, end)
            finally:
                self._waiting[target] -= 1
                if not self._waiting[target]:
                    del self._waiting[target]
        if taken is None:
            yield
            return
        renewing = asyncio.create_task(self._renew(target, holder))
        try:
            yield
        finally:
            renewing.cancel()
            await self._counts.ask_places(lambda places: places.give_back(target, holder))

    async def _taken(self, target: str, holder: str) -> bool | None:
        """None while the store is away."""
        return await self._counts.ask_places(lambda places: places.take(target, holder, self._limit))

    async def _waited_for(self, target: str, holder: str, end: float) -> bool | None:
        pause = _SHORTEST_PAUSE_SECONDS
        while (taken := await self._taken(target, holder)) is False:
            if self._monotonic() + pause > end:
                raise _busy(target, self._limit)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return taken

    async def _renew(self, target: str, holder: str) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._counts.ask_places(lambda places: places.renew(target, holder))


def _busy(target: str, limit: int) -> CheckFailed:
    return _held_back(f"{limit} checks of {target} are under way", "target_busy")


class Rate:
    """How often a target is asked, counted in a moving window by the `limits` library."""

    def __init__(self, rate: str, counts: SharedCounts, monotonic: Callable[[], float]) -> None:
        self._limit = parse_rate(rate)
        self._own = MovingWindowRateLimiter(storage_from_string("memory://"))
        self._counts = counts
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

    async def _pause(self, limit: RateLimitItem, target: str) -> float:
        """0 if the turn was taken; else how many seconds to wait before the next attempt at it."""
        pause = await self._counts.ask(lambda limiter: _taken(limiter, limit, target))
        return _taken(self._own, limit, target) if pause is None else pause


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


def _held_back(why: str, reason: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.RATE_LIMITED,
        f"not checked: {why}, and the turn did not come in time; check it less often, or give the step more time",
        reason=reason,
        ours=True,
    )
