"""A run as one archive: what was found, its log, and every piece of evidence."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any, Final

from steptrail_common.contracts.orchestrator import RunView
from steptrail_common.contracts.workers import Evidence
from steptrail_common.errors import SteptrailError

from steptrail_gateway.handlers.run_pieces import RunPieces, evidence_of

MOST_EVENTS: Final = 100_000
_ENDINGS: Final = {
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
}
"""Everything else is saved as text: a saved page must not run in the browser that opens it."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")


class RunBundle:
    """Packs a run as it is read: one piece of evidence is in memory at a time."""

    def __init__(self, pieces: RunPieces) -> None:
        self._pieces = pieces

    async def open(self) -> RunView:
        """The run. Raises `NotFound` and `Forbidden` before the first byte is sent."""
        return await self._pieces.run()

    async def pieces(self, run: RunView) -> AsyncIterator[bytes]:
        """The archive. Evidence that cannot be read is named in `missing.json`, not left out in silence."""
        sink = _Sink()
        missing: dict[str, str] = {}
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("run.json", run.model_dump_json(indent=2))
            events, _ = await self._pieces.events(MOST_EVENTS)
            archive.writestr("events.json", json.dumps(events, indent=2))
            yield sink.taken()
            for name, evidence in _named(run):
                try:
                    archive.writestr(name, await self._pieces.content(evidence))
                except SteptrailError as error:
                    missing[name] = str(error)
                yield sink.taken()
            if missing:
                archive.writestr("missing.json", json.dumps(missing, indent=2))
        yield sink.taken()


def _named(run: RunView) -> list[tuple[str, Evidence]]:
    """Every piece of evidence with its name in the archive."""
    named: dict[str, tuple[str, Evidence]] = {}
    for step in run.steps:
        for place, evidence in enumerate(evidence_of(step), 1):
            ending = _ENDINGS.get(evidence.media_type.split(";")[0].strip(), "txt")
            title = _UNSAFE.sub("-", evidence.title).strip("-").lower()[:60] or evidence.kind
            name = f"evidence/{step.number:02}-{step.step_id}/{place:02}-{title}.{ending}"
            named.setdefault(evidence.evidence_id, (name, evidence))
    return list(named.values())


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
