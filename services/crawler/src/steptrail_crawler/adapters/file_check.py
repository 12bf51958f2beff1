"""`file_check`: files in a folder or at an HTTP address: there or not, how many, how large, how old, what inside."""

import difflib
import time
from collections.abc import Sequence
from pathlib import Path

from steptrail_checks.masking import Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_checks.subjects import FileFact, FilesSubject
from steptrail_checks.values import spoken_seconds
from steptrail_common.contracts.catalog import ConnectionRights, FilesSettings, HttpSettings
from steptrail_common.contracts.definition import FileCheck
from steptrail_common.contracts.model import FailureClass, utc
from steptrail_common.contracts.workers import Finding, StepRequest

from steptrail_crawler.adapters.exchange import MAX_EVIDENCE_BYTES, credentials_of, deadline_of, masker_of
from steptrail_crawler.adapters.http import MAX_BODY_BYTES, HttpClient
from steptrail_crawler.adapters.http_files import HttpPlace
from steptrail_crawler.adapters.local_files import LocalPlace
from steptrail_crawler.domain.address import invalid
from steptrail_crawler.domain.pattern import matches, printable, segments, wild
from steptrail_crawler.ports import Entry, FilePlace

MAX_FILES = 10_000
MAX_FOLDERS = 1000
MAX_LISTED = 200
NEAREST = 10
TEST_SECONDS = 10.0
_OF_CONTENT = frozenset({"content", "body", "text", "regex", "jsonpath", "xpath", "selector"})


class FileCheckKind:
    """Looks for files; opens one only if the step asks for its content."""

    type = "file_check"

    def __init__(self, client: HttpClient, roots: Sequence[Path]) -> None:
        """`roots`: the local folders below which connections may point."""
        self._client = client
        self._roots = tuple(roots)

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, FileCheck):
            raise TypeError(check)
        started = time.monotonic()
        place = self._place(check, context)
        path = segments(check.path) if check.path is not None else []
        found = await _find(place, path)
        files = sorted(found, key=lambda entry: (entry.modified is None, -_stamp(entry), entry.name))
        content, cut = await self._content(place, files, context.request)
        elapsed = time.monotonic() - started
        pattern = printable(check.path or place.title)
        facts = [FileFact(entry.name, entry.path or place.title, entry.size, entry.modified) for entry in files]
        subject = FilesSubject(facts, f"{pattern} in {place.title}" if path else pattern, context.now, content)
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
        url = settings.root if isinstance(settings, FilesSettings) else getattr(settings, "base_url", "")
        credentials = credentials_of(connection) if isinstance(settings, HttpSettings) else None
        remote = HttpPlace(self._client, url, credentials, deadline=time.monotonic() + TEST_SECONDS)
        count = len(await remote.entries([]))
        return ConnectionRights(level="read_only", detail=f"the address answers; its index page shows {count} names")

    async def close(self) -> None:
        await self._client.close()

    def _place(self, check: FileCheck, context: CheckContext) -> FilePlace:
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
        if not isinstance(settings, FilesSettings):
            raise invalid(f"connection {context.connection.connection_id} is of kind {settings.kind}, not files")
        if check.path is None:
            raise invalid("name the file to look for: path")
        if _is_http(settings.root):
            return HttpPlace(self._client, settings.root, None, deadline=deadline)
        return LocalPlace(settings.root, self._roots)

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
        lines = [f"{len(files)} files match, newest first", "", *(_line(entry) for entry in files[:MAX_LISTED])]
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
