"""The evidence store: bytes that prove what a check saw, hashed when written and verified when read.

Any fsspec address serves: a folder, or a bucket. Addresses given out are relative to the store, so that
moving it breaks nothing. Small pieces share files, since creating a file costs a hundred times what writing into it
does: `run/file.bin@120-480` names bytes 120 to 480 of it. In a folder those that one worker keeps of a run stand one
behind the other; a bucket, to whose objects nothing can be added, gets one object for each attempt.
"""

import asyncio
import hashlib
import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from steptrail_common.errors import ConfigurationError, NotFound, SteptrailError, Unavailable

_ADDRESS = re.compile(r"[A-Za-z0-9_-]{1,80}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}){1,3}(?:@[0-9]{1,12}-[0-9]{1,12})?")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_SUFFIX = {
    "text/html": ".html",
    "text/plain": ".txt",
    "application/json": ".json",
    "image/png": ".png",
    "application/xml": ".xml",
    "application/gzip": ".gz",
    "text/x-sha256sum": ".sha256",
}

AT_ONCE_BYTES = 64 * 1024
"""So much is written to a folder of this machine without a thread: waking one costs more than the write."""
SLOW_SECONDS = 0.05
"""A write that took longer tells of a network share or a busy disk: threads wait for it then, and not the loop …"""
SLOW_REST_SECONDS = 60.0
"""… for so long."""
_BINARY = getattr(os, "O_BINARY", 0)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
_LONGER_FILE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY


class EvidenceDamaged(SteptrailError):
    """The stored bytes no longer match the hash taken when they were written."""

    title, slug = "Evidence damaged", "evidence-damaged"


class Piece(NamedTuple):
    """Bytes to be kept."""

    name: str
    body: bytes
    media_type: str = ""


class Kept(NamedTuple):
    """Where a piece is, and how to prove that it is the same. `size` in bytes."""

    address: str
    sha256: str
    size: int


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
        self._local = isinstance(self._files, LocalFileSystem)
        self._write = _write_local if self._local else self._write_remote
        self._at_once_from = 0.0 if self._local else math.inf
        self._shared = f"small-{uuid4().hex[:12]}.bin"

    async def put(self, run_id: str, name: str, body: bytes, media_type: str = "") -> Kept:
        """Store one piece. Raises `Unavailable`."""
        kept, trouble = await self.put_all(run_id, [Piece(name, body, media_type)])
        if trouble is not None:
            raise trouble
        return kept[0]

    async def put_all(
        self, run_id: str, pieces: Sequence[Piece], *, together: str | None = None
    ) -> tuple[list[Kept], Unavailable | None]:
        """(the pieces that were stored, in order; why the others were not). Small ones are written at once as long as
        the folder is quick, else one visit of a thread writes all of them; with `together`, a name, as one."""
        began, folder = time.monotonic(), _safe(run_id)
        small = sum(len(piece.body) for piece in pieces) <= AT_ONCE_BYTES
        if together is not None and small and pieces and all(piece.body for piece in pieces):

            def write() -> tuple[list[Kept], Unavailable | None]:
                return self._write_together(folder, together, pieces)
        else:

            def write() -> tuple[list[Kept], Unavailable | None]:
                return self._write_all(folder, pieces)

        if began < self._at_once_from or not small:
            return await asyncio.to_thread(write)
        written = write()
        if time.monotonic() - began > SLOW_SECONDS:
            self._at_once_from = time.monotonic() + SLOW_REST_SECONDS
        return written

    async def get(self, address: str, sha256: str) -> bytes:
        """The bytes, verified. Raises `NotFound`, `EvidenceDamaged`, `Unavailable`."""
        if not _ADDRESS.fullmatch(address):
            raise NotFound("no such evidence")
        name, _, part = address.partition("@")
        start, end = map(int, part.split("-")) if part else (None, None)
        try:
            body = await asyncio.to_thread(self._files.cat_file, f"{self._root}/{name}", start, end)
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

    def _write_all(self, folder: str, pieces: Sequence[Piece]) -> tuple[list[Kept], Unavailable | None]:
        kept: list[Kept] = []
        for piece in pieces:
            address = _new_address(folder, piece.name, piece.media_type)
            try:
                self._write(f"{self._root}/{address}", piece.body)
            except OSError as error:
                return kept, Unavailable(f"evidence cannot be stored: {error}")
            kept.append(Kept(address, hashlib.sha256(piece.body).hexdigest(), len(piece.body)))
        return kept, None

    def _write_together(self, folder: str, name: str, pieces: Sequence[Piece]) -> tuple[list[Kept], Unavailable | None]:
        address = f"{folder}/{self._shared}" if self._local else _new_address(folder, name, "")
        path, body, start = f"{self._root}/{address}", b"".join(piece.body for piece in pieces), 0
        try:
            if self._local:
                start = _append_local(path, body)
            else:
                self._write_remote(path, body)
        except OSError as error:
            return [], Unavailable(f"evidence cannot be stored: {error}")
        kept = []
        for piece in pieces:
            size = len(piece.body)
            kept.append(Kept(f"{address}@{start}-{start + size}", hashlib.sha256(piece.body).hexdigest(), size))
            start += size
        return kept, None

    def _write_remote(self, path: str, body: bytes) -> None:
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(path, body)

    def _remove(self, path: str) -> None:
        files: Any = self._files
        if files.exists(path):
            files.rm(path, recursive=True)


def _new_address(folder: str, name: str, media_type: str) -> str:
    suffix = _SUFFIX.get(media_type.split(";")[0].strip(), ".bin")
    return f"{folder}/{_safe(name)}-{uuid4().hex[:12]}{suffix}"


def _write_local(path: str, body: bytes) -> None:
    with open(_opened(path, _NEW_FILE), "wb", buffering=0) as file:
        file.write(body)


def _append_local(path: str, body: bytes) -> int:
    """Where in the file it begins. The system puts each write behind all others, whoever else writes."""
    with open(_opened(path, _LONGER_FILE), "ab", buffering=0) as file:
        if file.write(body) != len(body):
            raise OSError("the disk is full")
        return file.tell() - len(body)


def _opened(path: str, how: int) -> int:
    """The folder is made by the first file in it."""
    try:
        return os.open(path, how, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, how, 0o666)


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)[:80] or "none"
