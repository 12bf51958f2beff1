"""The stuck boards that were taken last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steptrail_common.contracts.board import BoardKey

from steptrail_orchestrator.domain.board import Placed, Taken


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Which keys of a board: those waiting at the step of this number, those past all, those beginning so."""

    number: int | None = None
    finished: bool = False
    beginning: str | None = None


@dataclass(frozen=True, slots=True)
class BoardPlace:
    """A place in the list of keys: oldest first, those without a moment last, then by key."""

    since_at: datetime | None
    key: str


class BoardStore(Protocol):
    """The last stuck board of each process. Every method is one transaction. Raises `Unavailable`."""

    async def store(self, taken: Taken, placed: Sequence[Placed]) -> None:
        """Replace the board and its keys. A key found at the same step again keeps since when it is there."""

    async def failed(self, process_id: str, message: str) -> None:
        """Note why it could not be taken; the board before stays."""

    async def last(self, process_id: str) -> tuple[Taken | None, tuple[datetime, str] | None]:
        """The last board, and when and why a later refresh failed."""

    async def keys(
        self, process_id: str, wanted: BoardFilter, *, after: BoardPlace | None, limit: int
    ) -> list[tuple[BoardKey, BoardPlace]]:
        """Keys with their newest runs, each with its place; names of steps are left to the caller."""
