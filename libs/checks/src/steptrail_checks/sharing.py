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
    """One look under way. `answer` is there once others wait for it; None in it: whoever looked was cancelled."""

    answer: "asyncio.Future[tuple[T] | None] | None" = None
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
        does every asker's `begun`. Raises what the look raises. Who asks first looks; when that one is cancelled, one
        of those who wait looks instead."""
        while (flight := self._flights.get(key)) is not None:
            if flight.begun:
                begun()
            else:
                flight.told.append(begun)
            if flight.answer is None:
                flight.answer = asyncio.get_running_loop().create_future()
            if (found := await asyncio.shield(flight.answer)) is not None:
                return found[0], True
        flight = self._flights[key] = _Flight(told=[begun])
        try:
            seen = await look(flight.begin)
        except BaseException as error:
            self._land(key, flight, error)
            raise
        self._land(key, flight, (seen,))
        return seen, False

    def _land(self, key: str, flight: _Flight[T], outcome: tuple[T] | BaseException) -> None:
        """Who asks from now on starts a look of its own: an answer is shared only while it is being found."""
        del self._flights[key]
        if flight.answer is None:
            return
        if isinstance(outcome, tuple):
            flight.answer.set_result(outcome)
        elif isinstance(outcome, Exception):
            flight.answer.set_exception(outcome)
            flight.answer.exception()  # read: those who wait may all have gone
        else:
            flight.answer.set_result(None)
