"""A run with all that belongs to it, read piece by piece from its owner as the caller may."""

from typing import Final

from pydantic import TypeAdapter
from steptrail_common.clock import Clock
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.orchestrator import RunView, StepView
from steptrail_common.contracts.workers import Evidence

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.handlers.relay import Forwarded, relay
from steptrail_gateway.ports import AuditLog, Downstream

EVENTS_PAGE: Final = 200
_PAGE: Final = TypeAdapter(Page[dict[str, object]])


class RunPieces:
    """Every read asks for the permission again: one that is lost half-way ends the reading."""

    def __init__(self, run_id: str, caller: Caller, *, orchestrator: Downstream, audit: AuditLog, clock: Clock) -> None:
        self._path = f"/runs/{segment(run_id)}"
        self._caller, self._to, self._audit, self._clock = caller, orchestrator, audit, clock

    async def run(self) -> RunView:
        """Raises `NotFound` and `Forbidden`."""
        return RunView.model_validate_json(await self._read(""))

    async def events(self, most: int) -> tuple[list[dict[str, object]], bool]:
        """The log from its beginning as JSON, at most so many, and whether that is all."""
        events: list[dict[str, object]] = []
        after = "0"
        while True:
            page = _PAGE.validate_json(await self._read("/events", after=after, limit=str(EVENTS_PAGE)))
            events += page.items
            if page.next_cursor is None or len(events) >= most:
                return events[:most], page.next_cursor is None and len(events) <= most
            after = page.next_cursor

    async def content(self, evidence: Evidence) -> bytes:
        """The bytes of a piece of evidence. Raises what the owner answers: `NotFound`, `Unavailable`, …"""
        return await self._read(f"/evidence/{segment(evidence.evidence_id)}")

    async def _read(self, path: str, **params: str) -> bytes:
        wanted = Forwarded("GET", self._path + path, params=params)
        answer = await relay(self._caller, "runs.read", self._to, wanted, audit=self._audit, clock=self._clock)
        return answer.content


def evidence_of(step: StepView) -> list[Evidence]:
    """Every piece of every attempt of a step, each once."""
    pieces = [*(piece for attempt in step.attempts for piece in attempt.evidence), *step.evidence]
    return list({piece.evidence_id: piece for piece in pieces}.values())
