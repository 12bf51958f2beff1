"""The evidence store: bytes that prove what a check saw, hashed when written and verified when read.

Any fsspec address serves: a folder, or a bucket. Addresses given out are relative to the store, so that
moving it breaks nothing.
"""

import asyncio
import hashlib
import re
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs

from steptrail_common.errors import ConfigurationError, NotFound, SteptrailError, Unavailable

_ADDRESS = re.compile(r"[A-Za-z0-9_-]{1,80}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}){1,3}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_SUFFIX = {
    "text/html": ".html",
    "text/plain": ".txt",
    "application/json": ".json",
    "image/png": ".png",
    "application/xml": ".xml",
}


class EvidenceDamaged(SteptrailError):
    """The stored bytes no longer match the hash taken when they were written."""

    title, slug = "Evidence damaged", "evidence-damaged"


class EvidenceStore:
    """Writes once, never overwrites. Safe for many writers: every piece has a name of its own."""

    def __init__(self, address: str) -> None:
        """`address`: a folder path or any fsspec address; `memory://…` is for tests."""
        if "::" in address:
            raise ConfigurationError("the evidence address must not be chained (`::`)")
        try:
            self._files, root = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"the evidence address {address!r} cannot be used: {error}") from error
        self._root = root.rstrip("/")

    async def put(self, run_id: str, name: str, body: bytes, media_type: str = "") -> tuple[str, str, int]:
        """Store `body`; returns (address, sha256 in hex, size in bytes). Raises `Unavailable`."""
        suffix = _SUFFIX.get(media_type.split(";")[0].strip(), ".bin")
        address = f"{_safe(run_id)}/{_safe(name)}-{uuid4().hex[:12]}{suffix}"
        try:
            await asyncio.to_thread(self._write, address, body)
        except OSError as error:
            raise Unavailable(f"evidence cannot be stored: {error}") from error
        return address, hashlib.sha256(body).hexdigest(), len(body)

    async def get(self, address: str, sha256: str) -> bytes:
        """The bytes, verified. Raises `NotFound`, `EvidenceDamaged`, `Unavailable`."""
        if not _ADDRESS.fullmatch(address):
            raise NotFound("no such evidence")
        try:
            body = await asyncio.to_thread(self._files.cat_file, f"{self._root}/{address}")
        except FileNotFoundError as error:
            raise NotFound("this evidence is no longer kept") from error
        except OSError as error:
            raise Unavailable(f"evidence cannot be read: {error}") from error
        if hashlib.sha256(body).hexdigest() != sha256:
            raise EvidenceDamaged("the stored evidence was changed after it was written; it is not shown")
        return bytes(body)

    async def delete_run(self, run_id: str) -> None:
        """Drop everything of a run; nothing there is fine."""
        await asyncio.to_thread(self._remove, f"{self._root}/{_safe(run_id)}")

    async def check(self) -> None:
        """Write, read and drop a probe. Raises `Unavailable`."""
        name = f"readiness-{uuid4().hex[:12]}"
        address, digest, _ = await self.put(name, "probe", b"ok")
        await self.get(address, digest)
        await self.delete_run(name)

    def _write(self, address: str, body: bytes) -> None:
        path = f"{self._root}/{address}"
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(path, body)

    def _remove(self, path: str) -> None:
        files: Any = self._files
        if files.exists(path):
            files.rm(path, recursive=True)


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)[:80] or "none"
