"""Folders of this machine or mounts, through fsspec, only below the roots the installation allows."""

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from fsspec.implementations.local import LocalFileSystem
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.domain.pattern import denied, printable
from steptrail_crawler.ports import Entry

MAX_ENTRIES = 100_000
T = TypeVar("T")


class LocalPlace:
    """One allowed folder. Symbolic links are followed only if they stay below it."""

    def __init__(self, root: str, allowed: Sequence[Path]) -> None:
        """Raises `CheckFailed` (`path_denied`) when `root` is not below an allowed folder."""
        self.title = os.path.basename(root.rstrip("/")) or root  # where it lies on this machine is nobody's business
        self._files = LocalFileSystem(auto_mkdir=False)
        self._root = os.path.realpath(root)
        roots = [os.path.realpath(path) for path in allowed]
        if not os.path.isabs(root) or "\x00" in root or not any(_below(self._root, path) for path in roots):
            raise CheckFailed(
                FailureClass.BLOCKED_BY_POLICY,
                f"the folder {printable(root)} is not below one that this installation allows; an administrator can "
                "add it to STEPTRAIL_CRAWLER_FILE_ROOTS",
                reason="path_denied",
                ours=True,
            )

    async def entries(self, folder: Sequence[str]) -> list[Entry]:
        return await self._try(lambda: self._list(folder)) or []

    async def entry(self, path: Sequence[str]) -> Entry | None:
        return await self._try(lambda: self._entry(list(path), self._files.info(self._real(path))))

    async def content(self, path: Sequence[str], limit: int) -> tuple[bytes, bool]:
        body = await self._try(lambda: _read(self._real(path), limit + 1))
        if body is None:
            raise CheckFailed(FailureClass.NOT_FOUND, f"{printable(path[-1])} vanished while it was looked at")
        return body[:limit], len(body) > limit

    async def writable(self) -> bool:
        """Whether this account may change the folder."""
        return await asyncio.to_thread(os.access, self._root, os.W_OK)

    def _list(self, folder: Sequence[str]) -> list[Entry]:
        found = self._files.ls(self._real(folder), detail=True)
        if len(found) > MAX_ENTRIES:
            raise CheckFailed(FailureClass.TOO_MANY, f"the folder holds more than {MAX_ENTRIES} names")
        entries = (self._entry([*folder, os.path.basename(item["name"])], item) for item in found)
        return [entry for entry in entries if entry is not None]

    def _entry(self, path: list[str], info: dict[str, Any]) -> Entry | None:
        if info.get("islink"):
            real = os.path.realpath(os.path.join(self._root, *path))
            if not _below(real, self._root):
                return None
            info = self._files.info(real)
        if info["type"] not in ("file", "directory"):
            return None
        return Entry(
            name=path[-1] if path else "",
            path="/".join(path),
            folder=info["type"] == "directory",
            size=int(info["size"]),
            modified=datetime.fromtimestamp(info["mtime"], UTC),
        )

    def _real(self, path: Sequence[str]) -> str:
        real = os.path.realpath(os.path.join(self._root, *path))
        if not _below(real, self._root):
            raise denied("/".join(path), "a symbolic link leads out of the connection's folder")
        return real

    async def _try(self, work: Callable[[], T]) -> T | None:
        """In a thread; None for what is not there."""
        try:
            return await asyncio.to_thread(work)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise CheckFailed(
                FailureClass.PERMISSION, f"the worker may not read below {printable(self.title)}", ours=True
            ) from error
        except (OSError, ValueError) as error:
            raise CheckFailed(
                FailureClass.CONNECT, f"{printable(self.title)} cannot be read: {getattr(error, 'strerror', error)}"
            ) from error


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _read(path: str, limit: int) -> bytes:
    """Regular files only; a pipe or device never blocks the worker."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise denied(os.path.basename(path), "it is not a regular file")
        return file.read(limit)
