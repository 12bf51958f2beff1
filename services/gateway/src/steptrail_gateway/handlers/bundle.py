"""A run as one archive: what was found, its log, and every piece of evidence."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any, Final

from steptrail_common.clock import Clock
from steptrail_common.contracts.orchestrator import RunView, StepView
from steptrail_common.contracts.workers import Evidence
from steptrail_common.errors import SteptrailError

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.handlers.relay import Forwarded, relay
from steptrail_gateway.ports import AuditLog, Downstream

EVENTS_PAGE: Final = 200
MOST_EVENT_PAGES: Final = 500
_ENDINGS: Final = {
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
}
"""Everything else is saved as text: a saved page must not run in the browser that opens it."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")


class RunBundle:
    """Reads a run piece by piece and packs it as it goes: one piece of evidence is in memory at a time."""

    def __init__(self, run_id: str, caller: Caller, *, orchestrator: Downstream, audit: AuditLog, clock: Clock) -> None:
        self._path = f"/runs/{segment(run_id)}"
        self._caller, self._to, self._audit, self._clock = caller, orchestrator, audit, clock

    async def open(self) -> RunView:
        """The run. Raises `NotFound` and `Forbidden` before the first byte is sent."""
        return RunView.model_validate_json(await self._read(""))

    async def pieces(self, run: RunView) -> AsyncIterator[bytes]:
        """The archive. Evidence that cannot be read is named in `missing.json`, not left out in silence."""
        sink = _Sink()
        missing: dict[str, str] = {}
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("run.json", run.model_dump_json(indent=2))
            archive.writestr("events.json", json.dumps(await self._events(), indent=2))
            yield sink.taken()
            for name, evidence in _evidence(run):
                try:
                    archive.writestr(name, await self._read(f"/evidence/{segment(evidence.evidence_id)}"))
                except SteptrailError as error:
                    missing[name] = str(error)
                yield sink.taken()
            if missing:
                archive.writestr("missing.json", json.dumps(missing, indent=2))
        yield sink.taken()

    async def _events(self) -> list[Any]:
        events: list[Any] = []
        after = "0"
        for _ in range(MOST_EVENT_PAGES):
            page = json.loads(await self._read("/events", after=after, limit=str(EVENTS_PAGE)))
            events += page["items"]
            if not page.get("next_cursor"):
                break
            after = page["next_cursor"]
        return events

    async def _read(self, path: str, **params: str) -> bytes:
        wanted = Forwarded("GET", self._path + path, params=params)
        answer = await relay(self._caller, "runs.read", self._to, wanted, audit=self._audit, clock=self._clock)
        return answer.content


def _evidence(run: RunView) -> list[tuple[str, Evidence]]:
    """Every piece of every attempt with its name in the archive, each once."""
    named: dict[str, tuple[str, Evidence]] = {}
    for step in run.steps:
        for place, evidence in enumerate(_pieces(step), 1):
            ending = _ENDINGS.get(evidence.media_type.split(";")[0].strip(), "txt")
            title = _UNSAFE.sub("-", evidence.title).strip("-").lower()[:60] or evidence.kind
            name = f"evidence/{step.number:02}-{step.step_id}/{place:02}-{title}.{ending}"
            named.setdefault(evidence.evidence_id, (name, evidence))
    return list(named.values())


def _pieces(step: StepView) -> list[Evidence]:
    return [*(piece for attempt in step.attempts for piece in attempt.evidence), *step.evidence]


class _Sink(io.RawIOBase):
    """What the archive writes, to be taken away as it grows."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        piece = bytes(self._written)
        self._written.clear()
        return piece
