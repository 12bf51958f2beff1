"""Buckets through fsspec: names that begin with the connection's prefix, read only."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied

from steptrail_crawler.domain.pattern import printable
from steptrail_crawler.ports import Entry

MAX_ENTRIES = 100_000
_REFUSED = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "AuthenticationFailed",
        "failed to authenticate",
    }
)
_MODIFIED = ("LastModified", "last_modified", "updated", "mtime")
T = TypeVar("T")


class StorePlace:
    """A bucket or container as a folder. `files`: an asynchronous fsspec file system on this loop."""

    def __init__(self, files: Any, root: str, title: str, *, deadline: float) -> None:
        self.title = title
        self._files = files
        self._root = root.strip("/")
        self._deadline = deadline

    async def entries(self, folder: Sequence[str]) -> list[Entry]:
        found = await self._try(self._files._ls(self._path(folder), detail=True)) or []
        if len(found) > MAX_ENTRIES:
            raise CheckFailed(FailureClass.TOO_MANY, f"the folder holds more than {MAX_ENTRIES} names")
        return [entry for item in found if (entry := _entry(folder, item, self._path(folder))) is not None]

    async def entry(self, path: Sequence[str]) -> Entry | None:
        info = await self._try(self._files._info(self._path(path)))
        return _entry(path[:-1], info, self._path(path[:-1])) if info is not None else None

    async def content(self, path: Sequence[str], limit: int) -> tuple[bytes, bool]:
        info = await self._try(self._files._info(self._path(path)))
        if info is None:
            raise CheckFailed(FailureClass.NOT_FOUND, f"{printable(path[-1])} vanished while it was looked at")
        size = int(info.get("size") or 0)
        if size == 0:
            return b"", False
        body = await self._try(self._files._cat_file(self._path(path), start=0, end=min(size, limit)))
        return bytes(body or b""), size > limit

    def _path(self, path: Sequence[str]) -> str:
        return "/".join([self._root, *path])

    async def _try(self, work: Awaitable[T]) -> T | None:
        """Within the time; None for what is not there."""
        try:
            async with asyncio.timeout(max(self._deadline - time.monotonic(), 0.001)):
                return await work
        except FileNotFoundError:
            return None
        except Exception as error:
            raise failure_of_store(error, self.title) from error


def failure_of_store(error: BaseException, title: str) -> CheckFailed:
    """What went wrong by name. The libraries wrap each other's errors: the innermost that tells counts."""
    causes = list(_causes(error))
    denied = next((cause for cause in causes if isinstance(cause, EgressDenied)), None)
    if denied is not None:
        return CheckFailed(FailureClass.BLOCKED_BY_POLICY, denied.detail, reason=denied.reason, ours=True)
    if isinstance(error, CheckFailed):
        return error
    codes = {str(getattr(cause, "response", None) or "") + str(cause) for cause in causes}
    if any(code in text for code in _REFUSED for text in codes):
        return CheckFailed(FailureClass.AUTH, f"{title} refuses the connection's credentials", ours=True)
    statuses = {getattr(cause, "status_code", None) or getattr(cause, "code", None) for cause in causes}
    if 401 in statuses:
        return CheckFailed(FailureClass.AUTH, f"{title} refuses the connection's credentials", ours=True)
    if 403 in statuses or any(isinstance(cause, PermissionError) or "Forbidden" in str(cause) for cause in causes):
        return CheckFailed(FailureClass.PERMISSION, f"{title}: the account may not read this", ours=True)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return CheckFailed(FailureClass.TIMEOUT, f"{title} did not answer in time", reason="read")
    if any(isinstance(cause, OSError) for cause in causes) or "onnect" in type(error).__name__:
        return CheckFailed(FailureClass.CONNECT, f"{title} cannot be reached: {str(error)[:200]}")
    return CheckFailed(FailureClass.PROTOCOL, f"{title} answers in a way that is not understood: {str(error)[:200]}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Also those that libraries keep in attributes."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [current.__cause__, current.__context__, getattr(current, "os_error", None)]
        kept = getattr(current, "kwargs", None)
        inner.append(kept.get("error") if isinstance(kept, dict) else None)
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]


def _entry(folder: Sequence[str], info: dict[str, Any], parent: str) -> Entry | None:
    """None for the folder itself, which some stores list as an empty object of its own."""
    name = str(info["name"]).rstrip("/").rpartition("/")[2]
    if not name or str(info["name"]).rstrip("/") == parent:
        return None
    is_folder = info["type"] == "directory"
    return Entry(
        name=name,
        path="/".join([*folder, name]),
        folder=is_folder,
        size=None if is_folder else int(info.get("size") or 0),
        modified=_moment(next((info[key] for key in _MODIFIED if info.get(key)), None)),
    )


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None
