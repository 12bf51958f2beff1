"""Identical checks asked at the same moment run once, and each asker gets the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Generic, TypeVar

from steptrail_common.contracts.workers import StepRequest

T = TypeVar("T")
Begun = Callable[[], None]


def sharing_key(request: StepRequest) -> str | None:
    """Equal for requests that the same look answers; None for those that must be done each for itself.

    Assertions and captures belong to it, since they decide what a check reads.
    """
    if not request.share or not request.check.shares_answer():
        return None
    asked = request.model_dump_json(include={"check", "connection", "assertions", "captures", "timeout_seconds"})
    return sha256(asked.encode()).hexdigest()


@dataclass(slots=True)
class _Flight(Generic[T]):
    """One look under way and who waits for it."""

    task: "asyncio.Task[T]"
    waiting: int = 0
    begun: bool = False
    told: list[Begun] = field(default_factory=list)

    def begin(self) -> None:
        self.begun = True
        for tell in self.told:
            tell()
        self.told.clear()


class Flights(Generic[T]):
    """The looks under way, by their key."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    async def join(self, key: str, look: Callable[[Begun], Awaitable[T]], begun: Begun) -> tuple[T, bool]:
        """(the answer, whether somebody else had asked already). `look` calls what it is given when it begins, and so
        does every asker's `begun`. Raises what the look raises; it is cancelled when nobody waits any more."""
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(self._look(key, look)))
        if flight.begun:
            begun()
        else:
            flight.told.append(begun)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()
                await asyncio.wait({flight.task})

    async def _look(self, key: str, look: Callable[[Begun], Awaitable[T]]) -> T:
        flight = self._flights[key]
        try:
            return await look(flight.begin)
        finally:
            self._forget(key, flight)

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        """Who asks from now on starts a look of its own: an answer is shared only while it is being found."""
        if self._flights.get(key) is flight:
            del self._flights[key]
