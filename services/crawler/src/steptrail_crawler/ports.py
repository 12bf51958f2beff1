"""What the file check needs of a place that holds files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. `size` in bytes; `modified` where the place tells."""

    name: str
    path: str
    folder: bool
    size: int | None
    modified: datetime | None


class FilePlace(Protocol):
    """A folder, local or remote, below which files are looked for. Reads only. Every method raises `CheckFailed`
    for what is not allowed or cannot be reached; paths are segments below the root."""

    title: str
    """What the place is called in results, without secrets."""

    async def entries(self, folder: Sequence[str]) -> list[Entry]:
        """Everything in a folder; empty if there is no such folder."""

    async def entry(self, path: Sequence[str]) -> Entry | None:
        """One file or folder, or None if there is none."""

    async def content(self, path: Sequence[str], limit: int) -> tuple[bytes, bool]:
        """(at most `limit` bytes from the start, whether there is more)."""
