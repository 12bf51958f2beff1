"""Identical checks asked at the same moment run once, and each asker gets the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Generic, TypeVar

from steptrail_common.contracts.workers import StepRequest

T = TypeVar("T")
Begun = Callable[[], None]


def shares(request: StepRequest) -> bool:
    """Whether a look for it may answer others too, and be answered by theirs."""
    return request.share and request.check.shares_answer()


def sharing_key(request: StepRequest) -> str:
    """Equal for requests that the same look answers.

    Assertions and captures belong to it, since they decide what a check reads.
    """
    asked = request.model_dump_json(include={"check", "connection", "assertions", "captures", "timeout_seconds"})
    return sha256(asked.encode()).hexdigest()


@dataclass(slots=True)
class _Flight(Generic[T]):
    """One look under way. `answer` is there once others wait for it; None in it: whoever looked was cancelled."""

    key: Callable[[], str]
    name: str | None = None
    answer: "asyncio.Future[tuple[T] | None] | None" = None
    begun: bool = False
    told: list[Begun] = field(default_factory=list)

    def begin(self) -> None:
        self.begun = True
        for tell in self.told:
            tell()
        self.told.clear()


class Flights(Generic[T]):
    """The looks under way, by their key. The key of one alone is not asked for: it costs a part of the look."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}
        self._alone: _Flight[T] | None = None

    async def join(self, key: Callable[[], str], look: Callable[[Begun], Awaitable[T]], begun: Begun) -> tuple[T, bool]:
        """(the answer, whether somebody with an equal key had asked already). `look` calls what it is given when it
        begins, and so does every asker's `begun`. Raises what the look raises. Who asks first looks; when that one is
        cancelled, one of those who wait looks instead."""
        own = _Flight[T](key, told=[begun])
        while (flight := self._same(own)) is not None:
            if flight.begun:
                begun()
            else:
                flight.told.append(begun)
            if flight.answer is None:
                flight.answer = asyncio.get_running_loop().create_future()
            if (found := await asyncio.shield(flight.answer)) is not None:
                return found[0], True
        self._depart(own)
        try:
            seen = await look(own.begin)
        except BaseException as error:
            self._land(own, error)
            raise
        self._land(own, (seen,))
        return seen, False

    def _same(self, own: _Flight[T]) -> _Flight[T] | None:
        """The look under way that answers it too."""
        if (alone := self._alone) is not None:
            self._alone = None
            self._name(alone)
        if not self._flights:
            return None
        own.name = own.name or own.key()
        return self._flights.get(own.name)

    def _depart(self, own: _Flight[T]) -> None:
        if self._flights:
            self._name(own)
        else:
            self._alone = own

    def _name(self, flight: _Flight[T]) -> None:
        flight.name = flight.name or flight.key()
        self._flights[flight.name] = flight

    def _land(self, flight: _Flight[T], outcome: tuple[T] | BaseException) -> None:
        """Who asks from now on starts a look of its own: an answer is shared only while it is being found."""
        if flight is self._alone:
            self._alone = None
        else:
            del self._flights[str(flight.name)]
        if flight.answer is None:
            return
        if isinstance(outcome, tuple):
            flight.answer.set_result(outcome)
        elif isinstance(outcome, Exception):
            flight.answer.set_exception(outcome)
            flight.answer.exception()  # read: those who wait may all have gone
        else:
            flight.answer.set_result(None)
