"""Adapters that fail on purpose, behind the ports: a bus and stores as they are on a bad day.

What goes wrong is drawn from a seed, one kind of fault at a time, so that a run of a test can be played again. A fault
never breaks a promise of the port: what was confirmed arrives, what is refused can be repeated. It only makes use of
everything the port does not promise: order, being called once, an error that means that nothing happened.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar, cast

from steptrail_common.bus.port import Bus, Delivery, Destination, Handler, Message, PublishFailed, Subscription, Taking
from steptrail_common.errors import Unavailable

T = TypeVar("T")
MOST_COPIES = 5


class Kind(StrEnum):
    """What can go wrong with one call."""

    BEFORE = "before"
    """It fails, and nothing happened."""
    AFTER = "after"
    """It happened, and an error says that it failed: the answer was lost (commit-then-error, publish-then-error)."""
    HANGS = "hangs"
    """Nothing happens for a while, then it fails."""
    TWICE = "twice"
    """It happens more than once: a message is delivered 1 to 5 times, a call to a store is repeated."""
    REORDERED = "reordered"
    """Messages overtake each other: some are held back while the others go on."""


@dataclass
class Faults:
    """Which faults, how likely each is, and what was made of them. The sum of `chances` is at most 1."""

    seed: int
    chances: Mapping[Kind, float]
    hang_seconds: float = 0.05
    held_seconds: float = 0.2
    """Longest time that a message is held back."""
    most: int | None = None
    """So many faults in all, then the weather clears up."""
    made: Counter[str] = field(default_factory=Counter)
    """Faults by kind."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def draw(self, possible: Collection[Kind]) -> Kind | None:
        """The fault of this call, if it has one."""
        if self.most is not None and self.made.total() >= self.most:
            return None
        point = self._chance.random()
        for kind, likely in self.chances.items():
            if point < likely:
                if kind not in possible:
                    return None
                self.made[kind] += 1
                return kind
            point -= likely
        return None

    def copies(self) -> int:
        return self._chance.randint(2, MOST_COPIES)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self._chance.sample(items, len(items))

    def held(self) -> float:
        return self._chance.uniform(0, self.held_seconds)


class FaultyBus:
    """`Bus` over another one. Publishing fails before, after, hangs, or sends copies; deliveries are handed over twice
    and out of order, and handlers fail before they were called or after they returned."""

    def __init__(self, bus: Bus, faults: Faults) -> None:
        self._bus = bus
        self._faults = faults

    async def start(self) -> None:
        await self._bus.start()

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        kind = self._faults.draw(_OF_MESSAGES)
        if kind is Kind.HANGS:
            await asyncio.sleep(self._faults.hang_seconds)
        if kind in (Kind.BEFORE, Kind.HANGS):
            raise PublishFailed(f"fault on purpose: {kind}")
        copies = self._faults.copies() if kind is Kind.TWICE else 1
        for _ in range(copies):
            await self._bus.publish(self._faults.shuffled(messages) if kind is Kind.REORDERED else messages)
        if kind is Kind.AFTER:
            raise PublishFailed("fault on purpose: published, and the confirm was lost")

    async def subscribe(self, subscription: Subscription, handler: Handler) -> Taking:
        async def faulty(deliveries: Sequence[Delivery]) -> None:
            await self._handle(deliveries, handler)

        return await self._bus.subscribe(subscription, faulty)

    async def _handle(self, deliveries: Sequence[Delivery], handler: Handler) -> None:
        kind = self._faults.draw(_OF_MESSAGES)
        if kind is Kind.HANGS:
            await asyncio.sleep(self._faults.hang_seconds)
        if kind in (Kind.BEFORE, Kind.HANGS):
            raise Unavailable(f"fault on purpose: {kind} handling")
        if kind is Kind.REORDERED:
            await asyncio.sleep(self._faults.held())
            deliveries = self._faults.shuffled(deliveries)
        await handler(deliveries)
        if kind is Kind.TWICE:
            for _ in range(self._faults.copies() - 1):
                await handler([replace(one, redelivered=True) for one in deliveries])
        if kind is Kind.AFTER:
            raise Unavailable("fault on purpose: handled, and the acknowledgement was lost")

    async def drain(self, timeout_seconds: float) -> None:
        await self._bus.drain(timeout_seconds)

    async def close(self) -> None:
        await self._bus.close()

    def healthy(self) -> bool:
        return self._bus.healthy()

    async def queue_depths(self, queues: Collection[str] = ()) -> dict[str, int]:
        return await self._bus.queue_depths(queues)


def faulty_store(store: T, faults: Faults, methods: Collection[str]) -> T:
    """The store, whose named methods fail before, after, hang, or are called twice, as `Unavailable` allows.

    A method that begins a transaction (an asynchronous context manager) fails before it begins, or after it has
    committed. Everything else is the store's own.
    """
    return cast(T, _FaultyStore(store, faults, frozenset(methods)))


class _FaultyStore:
    def __init__(self, store: Any, faults: Faults, methods: frozenset[str]) -> None:
        self._store = store
        self._faults = faults
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in self._methods:
            return real

        def called(*args: Any, **named: Any) -> Any:
            made = real(*args, **named)
            if isinstance(made, AbstractAsyncContextManager):
                return self._transaction(made)
            made.close()  # a coroutine that was not begun: it is made again as often as the fault says
            return self._call(lambda: real(*args, **named))

        return called

    async def _call(self, again: Callable[[], Any]) -> Any:
        kind = self._faults.draw(_OF_STORES)
        await self._fail_before(kind)
        if kind is Kind.TWICE:
            await again()
        result = await again()
        if kind is Kind.AFTER:
            raise Unavailable("fault on purpose: committed, and the answer was lost")
        return result

    @asynccontextmanager
    async def _transaction(self, real: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        kind = self._faults.draw(_OF_TRANSACTIONS)
        await self._fail_before(kind)
        async with real as opened:
            yield opened
        if kind is Kind.AFTER:
            raise Unavailable("fault on purpose: committed, and the answer was lost")

    async def _fail_before(self, kind: Kind | None) -> None:
        if kind is Kind.HANGS:
            await asyncio.sleep(self._faults.hang_seconds)
        if kind in (Kind.BEFORE, Kind.HANGS):
            raise Unavailable(f"fault on purpose: {kind}")


_OF_MESSAGES = tuple(Kind)
_OF_STORES = (Kind.BEFORE, Kind.AFTER, Kind.HANGS, Kind.TWICE)
_OF_TRANSACTIONS = (Kind.BEFORE, Kind.AFTER, Kind.HANGS)
EVERYTHING = {Kind.BEFORE: 0.1, Kind.AFTER: 0.1, Kind.HANGS: 0.05, Kind.TWICE: 0.1, Kind.REORDERED: 0.15}
"""Half of all calls go wrong."""
