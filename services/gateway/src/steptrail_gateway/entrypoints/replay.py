"""What a client missed while it was away, read from the orchestrator's log."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.orchestrator import LoggedEvent
from steptrail_common.errors import SteptrailError

from steptrail_gateway.domain.stream import OVERLAP, opening, parse_position, reset_frame, run_frame
from steptrail_gateway.entrypoints.hub import Client
from steptrail_gateway.ports import Downstream

PAGE: Final = 200
MAX_REPLAYED: Final = 5_000
"""Who missed more reads everything again, which is faster."""


class Replay:
    """The beginning of one stream: where it stands, what was missed, or a reset."""

    def __init__(self, log: Downstream, position: Callable[[], str | None], client: Client) -> None:
        self._log = log
        self._position = position
        self._client = client

    async def pieces(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """The client has joined the hub before: nothing can fall between the log and the live events."""
        if last_event_id is None:
            yield opening(self._position())
            return
        after = parse_position(last_event_id)
        if after is None:
            yield opening(self._position()) + reset_frame("The Last-Event-ID is not one of ours.")
            return
        try:
            if not await self._known(after):
                gone = reset_frame("What happened since then is not in the log any more.")
                yield opening(self._position()) + gone
                return
            yield opening(str(after))
            async for piece in self._missed(max(0, after - OVERLAP)):
                yield piece
        except (SteptrailError, ValidationError) as error:
            telemetry.log.warning("stream.replay_failed", error=str(error)[:500])
            yield opening(self._position()) + reset_frame("What was missed cannot be read now.")

    async def _known(self, position: int) -> bool:
        """Whether the event at this position is still there; then so is everything after it."""
        if position == 0:
            return True
        page = await read_log(self._log, str(position - 1), limit=1)
        return bool(page.items) and page.items[0].cursor == str(position)

    async def _missed(self, after: int) -> AsyncIterator[bytes]:
        cursor, count = str(after), 0
        while True:
            page = await read_log(self._log, cursor, self._filters())
            frames = [run_frame(item.event, item.cursor) for item in page.items]
            self._client.skip(frame.key for frame in frames if frame.key is not None)
            if frames:
                yield b"".join(frame.data for frame in frames)
            count += len(frames)
            if page.next_cursor is None:
                return
            if count >= MAX_REPLAYED:
                yield reset_frame("Too much was missed.")
                return
            cursor = page.next_cursor

    def _filters(self) -> dict[str, Any]:
        wants = self._client.wants
        return {"run_id": sorted(wants.run_ids), "process_id": sorted(wants.process_ids)}


async def read_log(
    log: Downstream, after: str, filters: dict[str, Any] | None = None, *, limit: int = PAGE
) -> Page[LoggedEvent]:
    """One page of the log of all runs behind a cursor, in order of position."""
    params = {"after": after, "limit": limit, **(filters or {})}
    answer = await log.request("GET", "/events", params=params)
    return Page[LoggedEvent].model_validate_json(answer.content)
