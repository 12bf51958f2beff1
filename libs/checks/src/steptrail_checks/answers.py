"""What a worker has answered lately, so that a request that comes again is answered again without another look.

A request comes again when its acknowledgement was lost, when it was sent twice, or when its answer was lost on the way
to the orchestrator. The worker cannot tell which, so it sends the answer again: who has it already drops it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pydantic_core import from_json
from steptrail_common.contracts.workers import StepResult

MOST = 10_000
MOST_BYTES = 32 * 1024 * 1024
"""Of all answers together; evidence is not part of an answer, so most have one or two kilobytes."""
LASTS_SECONDS = 300.0
"""Longer than any message is on its way in good health; after it an answer is old, and a look is worth more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as it travels. `identity`: run, step, attempt and token, which name it."""

    identity: tuple[str, str, int, str]
    body: bytes

    @classmethod
    def of(cls, result: StepResult) -> "Answer":
        identity = (result.run_id, result.step_id, result.attempt, result.token)
        return cls(identity, result.model_dump_json(exclude_defaults=True).encode())

    @classmethod
    def read(cls, body: bytes) -> "Answer":
        """The answer that travels as `body`."""
        result = from_json(body)
        return cls((result["run_id"], result["step_id"], result["attempt"], result["token"]), body)

    @property
    def token(self) -> str:
        return self.identity[3]


class Answers:
    """The newest answers of one worker, within limits of number, bytes and age. Gone with the process."""

    def __init__(
        self, *, most: int = MOST, most_bytes: int = MOST_BYTES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        """Bodies alone: what names an answer stands in it, and beside it would take half as much again."""
        self._bytes = 0

    def keep(self, answer: Answer) -> None:
        """Remember it from now on; sending it again does not make it younger."""
        if answer.token in self._known:
            return
        self._known[answer.token] = (self._monotonic(), answer.body)
        self._bytes += len(answer.body)
        self._forget()

    def find(self, token: str) -> Answer | None:
        """The answer to the request of this token, if it is known."""
        self._forget()
        found = self._known.get(token)
        return Answer.read(found[1]) if found else None

    def _forget(self) -> None:
        """What is too old or too much, oldest first."""
        too_old = self._monotonic() - LASTS_SECONDS
        while self._known and (
            len(self._known) > self._most
            or self._bytes > self._most_bytes
            or next(iter(self._known.values()))[0] < too_old
        ):
            _, (_, body) = self._known.popitem(last=False)
            self._bytes -= len(body)
