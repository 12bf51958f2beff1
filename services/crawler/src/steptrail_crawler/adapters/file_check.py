"""`file_check`: files in a folder or at an HTTP address: there or not, how many, how large, how old, what inside."""

import asyncio
import difflib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steptrail_checks.files import OF_CONTENT, OF_TABLE, FileFact, FilesSubject
from steptrail_checks.masking import Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_checks.values import spoken_bytes, spoken_seconds
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import FileCheck
from steptrail_common.contracts.connections import FilesSettings, HttpSettings, SftpSettings
from steptrail_common.contracts.model import FailureClass, utc
from steptrail_common.contracts.workers import Finding, StepRequest

from steptrail_crawler.adapters.exchange import MAX_EVIDENCE_BYTES, credentials_of, deadline_of, masker_of
from steptrail_crawler.adapters.http import MAX_BODY_BYTES, HttpClient
from steptrail_crawler.adapters.http_files import HttpPlace
from steptrail_crawler.adapters.local_files import LocalPlace
from steptrail_crawler.adapters.stores import Stores, StoreSettings, missing
from steptrail_crawler.domain.address import invalid
from steptrail_crawler.domain.pattern import matches, printable, segments, wild
from steptrail_crawler.ports import Entry, FilePlace

MAX_FILES = 10_000
MAX_FOLDERS = 1000
MAX_LISTED = 200
NEAREST = 10
TEST_SECONDS = 10.0
MAX_HASHED_BYTES = 64 * 1024 * 1024
"""Hashes are taken of files up to this size (behind HTTP up to 10 MiB)."""
_OF_CONTENT = OF_CONTENT | OF_TABLE
_CHECKSUM_BYTES = 4096
_SFTP = "steptrail_crawler.adapters.sftp_files"
_HASHES = ("sha256", "sha512", "sha1", "md5")


class FileCheckKind:
    """Looks for files; opens one only if the step asks for its content."""

    type = "file_check"

    def __init__(self, client: HttpClient, roots: Sequence[Path]) -> None:
        """`roots`: the local folders below which connections may point."""
        self._client = client
        self._roots = tuple(roots)
        self._stores = Stores(client)

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, FileCheck):
            raise TypeError(check)
        place = await self._place(check, context)
        try:
            return await self._looked(place, check, context)
        finally:
            await _closed(place)

    async def _looked(self, place: FilePlace, check: FileCheck, context: CheckContext) -> Observation:
        started = time.monotonic()
        path = segments(check.path) if check.path is not None else []
        found = await _find(place, path)
        files = sorted(found, key=lambda entry: (entry.modified is None, -_stamp(entry), entry.name))
        if check.stable is not None:
            await _stay(place, path, files, check.stable)
        hashes = await _hashes(place, files, check, context.request)
        content, cut = await self._content(place, files, context.request)
        elapsed = time.monotonic() - started
        pattern = printable(check.path or place.title)
        facts = [FileFact(entry.name, entry.path or place.title, entry.size, entry.modified) for entry in files]
        subject = FilesSubject(facts, f"{pattern} in {place.title}" if path else pattern, context.now, content)
        subject = replace(subject, elapsed=elapsed, delimiter=check.delimiter, hashes=hashes)
        masker = _masker(context.connection)
        listing = await _listing(place, path, files)
        evidence = [EvidenceDraft("listing", "Files", "text/plain; charset=utf-8", listing)]
        if content is not None:
            shown = masker.body(content[: MAX_EVIDENCE_BYTES * 2], "text/plain")[:MAX_EVIDENCE_BYTES]
            text = shown.decode("utf-8", errors="replace").encode()
            evidence.append(
                EvidenceDraft(
                    "content",
                    f"Content of {printable(files[0].name)}",
                    "text/plain; charset=utf-8",
                    text,
                    len(content) > MAX_EVIDENCE_BYTES,
                )
            )
        observation = Observation(
            subject,
            masker.url(_target(place, check)),
            _findings(files, context),
            {"total": elapsed},
            evidence,
        )
        if cut:
            limit = f"{MAX_BODY_BYTES // 1024 // 1024} MiB"
            raise CheckFailed(
                FailureClass.TOO_LARGE,
                f"{printable(files[0].name)} is larger than {limit}: its content cannot be checked",
                observation=observation,
            )
        return observation

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        """Whether the folder or address can be read, and whether this account could also write."""
        settings = connection.settings
        if isinstance(settings, FilesSettings) and not _is_http(settings.root):
            place = LocalPlace(settings.root, self._roots)
            if await place.entry([]) is None:
                raise CheckFailed(FailureClass.NOT_FOUND, f"there is no folder {printable(settings.root)}")
            count = len(await place.entries([]))
            writable = await place.writable()
            detail = f"the folder holds {count} names; the worker can {'also write to' if writable else 'only read'} it"
            return ConnectionRights(level="can_write" if writable else "read_only", detail=detail)
        if isinstance(settings, StoreSettings | SftpSettings):
            return await self._try_remote(connection)
        url = settings.root if isinstance(settings, FilesSettings) else getattr(settings, "base_url", "")
        credentials = credentials_of(connection) if isinstance(settings, HttpSettings) else None
        remote = HttpPlace(self._client, url, credentials, deadline=time.monotonic() + TEST_SECONDS)
        count = len(await remote.entries([]))
        return ConnectionRights(level="read_only", detail=f"the address answers; its index page shows {count} names")

    async def _try_remote(self, connection: OpenedConnection) -> ConnectionRights:
        place = await self._remote(connection, time.monotonic() + TEST_SECONDS)
        try:
            count = len(await place.entries([]))
        finally:
            await _closed(place)
        return ConnectionRights(level="unknown", detail=f"{place.title} can be read and shows {count} names")

    async def close(self) -> None:
        await self._stores.close()
        await self._client.close()

    async def _place(self, check: FileCheck, context: CheckContext) -> FilePlace:
        deadline = deadline_of(context)
        if check.url is not None:
            if check.connection is not None:
                raise invalid("write either a url or a connection with a path, not both")
            return HttpPlace(self._client, check.url, None, deadline=deadline)
        if context.connection is None:
            raise invalid("name where to look: a connection with a path, or a url")
        settings = context.connection.settings
        if isinstance(settings, HttpSettings):
            return HttpPlace(
                self._client,
                settings.base_url,
                credentials_of(context.connection),
                deadline=deadline,
                verify_tls=settings.verify_tls,
            )
        if isinstance(settings, StoreSettings | SftpSettings):
            if check.path is None:
                raise invalid("name the file to look for: path")
            return await self._remote(context.connection, deadline)
        if not isinstance(settings, FilesSettings):
            raise invalid(f"connection {context.connection.connection_id} is of kind {settings.kind}, not files")
        if check.path is None:
            raise invalid("name the file to look for: path")
        if _is_http(settings.root):
            return HttpPlace(self._client, settings.root, None, deadline=deadline)
        return LocalPlace(settings.root, self._roots)

    async def _remote(self, connection: OpenedConnection, deadline: float) -> FilePlace:
        if isinstance(connection.settings, StoreSettings):
            return await self._stores.place(connection, deadline=deadline)
        try:
            module = await asyncio.to_thread(__import__, _SFTP, fromlist=["SftpPlace"])
        except ImportError as error:
            raise missing("sftp") from error
        place: FilePlace = module.SftpPlace(self._client.policy, connection, deadline=deadline)
        return place

    async def _content(
        self, place: FilePlace, files: Sequence[Entry], request: StepRequest
    ) -> tuple[bytes | None, bool]:
        asked = any(assertion.subject in _OF_CONTENT for assertion in request.assertions) or any(
            capture.file is None for capture in request.captures.values()
        )
        if not asked or not files:
            return None, False
        path = files[0].path.split("/") if files[0].path else []
        return await place.content(path, MAX_BODY_BYTES)


async def _closed(place: FilePlace) -> None:
    """Ends the connection of a place that has one of its own."""
    close = getattr(place, "close", None)
    if close is not None:
        await close()


async def _stay(place: FilePlace, path: Sequence[str], files: Sequence[Entry], seconds: float) -> None:
    """Raises `CheckFailed` (`still_growing`) when a second look finds the files changed."""
    await asyncio.sleep(seconds)
    now = {entry.path: (entry.size, entry.modified) for entry in await _find(place, path)}
    for entry in files:
        if now.get(entry.path) != (entry.size, entry.modified):
            sizes = entry.size, now.get(entry.path, (None, None))[0]
            before, after = ("no known size" if size is None else spoken_bytes(size) for size in sizes)
            raise CheckFailed(
                FailureClass.ASSERTION,
                f"{printable(entry.name)} is still changing: {before}, then {after} {seconds:g} s later",
                reason="still_growing",
            )


async def _hashes(place: FilePlace, files: Sequence[Entry], check: FileCheck, request: StepRequest) -> dict[str, str]:
    """Of the newest file, if someone asks. Raises `CheckFailed` when it does not fit its checksum file."""
    asked = any(assertion.subject == "hash" for assertion in request.assertions)
    asked = asked or any(capture.file == "hash" for capture in request.captures.values())
    if not files or not (asked or check.checksum):
        return {}
    path = files[0].path.split("/") if files[0].path else []
    body, cut = await place.content(path, MAX_HASHED_BYTES)
    if cut:
        raise CheckFailed(FailureClass.TOO_LARGE, f"{printable(files[0].name)} is too large to be hashed")
    found = {name: hashlib.new(name, body, usedforsecurity=False).hexdigest() for name in _HASHES}
    if check.checksum is not None:
        await _fits(place, path, files[0], check.checksum, found[check.checksum])
    return found


async def _fits(place: FilePlace, path: Sequence[str], file: Entry, kind: str, found: str) -> None:
    if not path:
        raise invalid("a checksum file beside it needs a connection and a path")
    beside = [*path[:-1], f"{path[-1]}.{kind}"]
    if await place.entry(beside) is None:
        raise CheckFailed(
            FailureClass.NOT_FOUND, f"there is no {printable(beside[-1])} beside it", reason="no_checksum"
        )
    text, _ = await place.content(beside, _CHECKSUM_BYTES)
    words = text.decode("ascii", errors="replace").split()
    if not words or words[0].lower().lstrip("\\") != found:
        told = f"{printable(file.name)} does not fit its {kind} checksum: it is damaged or not complete"
        raise CheckFailed(FailureClass.ASSERTION, told, reason="checksum")


def _masker(connection: OpenedConnection | None) -> Masker:
    has_secrets = connection is not None and isinstance(connection.settings, HttpSettings)
    return masker_of(connection) if has_secrets else Masker()


def _is_http(root: str) -> bool:
    return root.lower().startswith(("http://", "https://"))


def _stamp(entry: Entry) -> float:
    return entry.modified.timestamp() if entry.modified else 0.0


def _target(place: FilePlace, check: FileCheck) -> str:
    return f"{place.title.rstrip('/')}/{printable(check.path.lstrip('/'))}" if check.path else place.title


async def _find(place: FilePlace, path: Sequence[str]) -> list[Entry]:
    """All files that match, folder by folder. Raises `CheckFailed` (`too_many`)."""
    folders: list[list[str]] = [[]]
    for position, segment in enumerate(path):
        last = position == len(path) - 1
        if segment == "**":
            folders = await _below(place, folders)
            continue
        if not wild(segment):
            folders = [[*folder, segment] for folder in folders]
            continue
        found = [entry for folder in folders for entry in await place.entries(folder) if matches(entry.name, segment)]
        if last:
            return await _with_facts(place, [entry for entry in found if not entry.folder])
        folders = [entry.path.split("/") for entry in found if entry.folder or entry.size is None]
        if len(folders) > MAX_FOLDERS:
            raise CheckFailed(FailureClass.TOO_MANY, f"{segment!r} matches more than {MAX_FOLDERS} folders")
    exact = [await place.entry(folder) for folder in folders]
    return [entry for entry in exact if entry is not None and not entry.folder]


async def _below(place: FilePlace, folders: list[list[str]]) -> list[list[str]]:
    """These folders and all inside them, `MAX_FOLDERS` at most. Raises `CheckFailed` (`too_many`)."""
    found = list(folders)
    for folder in found:
        found += [entry.path.split("/") for entry in await place.entries(folder) if entry.folder]
        if len(found) > MAX_FOLDERS:
            raise CheckFailed(FailureClass.TOO_MANY, f"** stands for more than {MAX_FOLDERS} folders")
    return found


async def _with_facts(place: FilePlace, entries: list[Entry]) -> list[Entry]:
    """Size and time of every file; an index page tells neither."""
    if len(entries) > MAX_FILES:
        raise CheckFailed(FailureClass.TOO_MANY, f"more than {MAX_FILES} files match")
    known = [entry for entry in entries if entry.size is not None]
    unknown = [entry for entry in entries if entry.size is None]
    if len(unknown) > MAX_LISTED:
        raise CheckFailed(FailureClass.TOO_MANY, f"more than {MAX_LISTED} files match on this server")
    asked = [await place.entry(entry.path.split("/")) for entry in unknown]
    return known + [entry for entry in asked if entry is not None]


def _findings(files: Sequence[Entry], context: CheckContext) -> list[Finding]:
    findings = [Finding(label="Files", value=len(files))]
    if files:
        newest = files[0]
        findings.append(Finding(label="Newest", value=printable(newest.path or newest.name)))
        if newest.size is not None:
            findings.append(Finding(label="Size", value=newest.size))
        if newest.modified is not None:
            age = spoken_seconds((context.now - newest.modified).total_seconds())
            findings += [Finding(label="Modified", value=utc(newest.modified)), Finding(label="Age", value=age)]
    return findings


async def _listing(place: FilePlace, path: Sequence[str], files: Sequence[Entry]) -> bytes:
    """The files found; without any, what is there instead: the names most like the one looked for."""
    if files:
        lines = [
            "1 file matches" if len(files) == 1 else f"{len(files)} files match, newest first",
            "",
            *(_line(entry) for entry in files[:MAX_LISTED]),
        ]
        if len(files) > MAX_LISTED:
            lines.append(f"… {len(files) - MAX_LISTED} more")
        return "\n".join(lines).encode("utf-8", errors="replace")
    folder, near = await _nearest(place, path)
    where = "/".join(folder) or "the folder itself"
    head = f"no file matches {printable('/'.join(path))}"
    if not near:
        return f"{head}\n\n{printable(where)} is empty or not there".encode("utf-8", errors="replace")
    lines = [head, "", f"nearest names in {printable(where)}:", *(_line(entry) for entry in near)]
    return "\n".join(lines).encode("utf-8", errors="replace")


async def _nearest(place: FilePlace, path: Sequence[str]) -> tuple[list[str], list[Entry]]:
    literal: list[str] = []
    for segment in path[:-1]:
        if wild(segment):
            break
        literal.append(segment)
    while True:
        try:
            entries = await place.entries(literal)
        except CheckFailed:
            entries = []
        if entries or not literal:
            break
        literal.pop()
    if not path:
        return literal, []
    names = {entry.name: entry for entry in entries}
    wanted = path[len(literal)] if len(literal) < len(path) else path[-1]
    close = difflib.get_close_matches(wanted, list(names)[:2000], n=NEAREST, cutoff=0.3)
    newest = sorted(entries, key=_stamp, reverse=True)[:NEAREST]
    return literal, [names[name] for name in close] or newest


def _line(entry: Entry) -> str:
    when = utc(entry.modified) if entry.modified else "unknown time"
    size = "folder" if entry.folder else f"{entry.size} bytes" if entry.size is not None else "unknown size"
    return f"{when}  {size:>14}  {printable(entry.path or entry.name)}"
