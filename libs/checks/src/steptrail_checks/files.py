"""What a look for files found, in the form assertions and captures ask."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from steptrail_common.contracts.model import FailureClass, Json, utc

from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import Fault, Found, HttpSubject, Source, TableSubject, not_here

MAX_COLUMNS = 2000
MAX_CELL_CHARACTERS = 128 * 1024
OF_CONTENT = frozenset({"content", "body", "text", "regex", "jsonpath", "xpath", "selector"})
OF_TABLE = frozenset({"rows", "column", "columns"})
_OFFERS = "count, name, size, age, hash, content, text, regex, jsonpath, xpath, selector, rows, columns, column"
_MEDIA_TYPES = {"xml": "application/xml", "json": "application/json", "html": "text/html", "htm": "text/html"}
_ARCHIVES = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstandard"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file found. `size` in bytes; `modified` is None where the place does not tell."""

    name: str
    path: str
    size: int | None
    modified: datetime | None


@dataclass(frozen=True)
class FilesSubject:
    """Files found, newest first. `content` is the newest one's, read only if someone asks for it; `hashes` are the
    newest one's by name of the algorithm, in hex."""

    files: Sequence[FileFact]
    pattern: str
    now: datetime
    content: bytes | None = None
    media_type: str | None = None
    elapsed: float = 0.0
    delimiter: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)

    def lookup(self, source: Source) -> Found:
        subject = source.subject
        if subject == "count":
            return Found([len(self.files)])
        if subject == "elapsed":
            return Found([self.elapsed])
        if subject == "size":
            return Found([file.size for file in self.files if file.size is not None], default_row="all")
        if subject == "age":
            return Found([(self.now - file.modified).total_seconds() for file in self.files if file.modified])
        if subject == "name":
            return Found([file.name for file in self.files], default_row="all")
        if subject == "hash":
            return Found(list(self.hashes.values()), default_row="any")
        if subject == "file":
            return Found([value for file in self.files if (value := self._value(file, source.argument)) is not None])
        if subject not in OF_CONTENT | OF_TABLE:
            raise not_here(source, "files", _OFFERS)
        if self.content is None:
            return Found([])
        return self._newest.lookup(source) if subject in OF_CONTENT else self._of_table(source)

    def faults(self, asked: frozenset[str]) -> list[Fault]:
        if self.files or "count" in asked:
            return []
        message = f"no file matches {self.pattern}"
        return [Fault("count", "gt", 0, 0, FailureClass.NOT_FOUND, message)]

    def _of_table(self, source: Source) -> Found:
        if source.subject == "columns":
            return Found([list(self._table.columns)])
        found = self._table.lookup(source)
        return Found(found.values, from_text=source.subject == "column", default_row=found.default_row)

    def _value(self, file: FileFact, what: str | None) -> Json:
        if what == "modified":
            return utc(file.modified) if file.modified else None
        if what == "hash":
            return self.hashes.get("sha256") if file is self.files[0] else None
        return getattr(file, what) if what in ("name", "path", "size") else None

    @cached_property
    def _newest(self) -> HttpSubject:
        refuse_archive(self.content or b"", self.files[0].name if self.files else "")
        media_type = self.media_type or _media_type(self.files[0].name if self.files else "")
        return HttpSubject(200, "", [("content-type", media_type)], self.content or b"", self.elapsed)

    @cached_property
    def _table(self) -> TableSubject:
        """The content as CSV with a line of names. Raises `CheckFailed` (`bad_file`)."""
        content = self.content or b""
        if b"\x00" in content and "\x00" in content.decode(self._newest.charset, "replace"):
            raise _bad_file("it holds NUL characters, as a file does that was not written to its end")
        rows = _rows(self._newest.text, self.delimiter)
        names = next(rows, None)
        if names is None:
            raise _bad_file("it is empty: a table begins with a line of names")
        return TableSubject(names, list(rows), self.elapsed)


def refuse_archive(content: bytes, name: str) -> None:
    """Archives are never unpacked. Raises `CheckFailed` (`archive_denied`)."""
    found = next((kind for magic, kind in _ARCHIVES if content.startswith(magic)), None)
    if found is None and content[257:262] == b"ustar":
        found = "tar"
    if found is not None:
        raise CheckFailed(
            FailureClass.BLOCKED_BY_POLICY,
            f"{name} is packed ({found}) and never unpacked: look at its size, age or hash instead",
            reason="archive_denied",
            ours=True,
        )


def _rows(text: str, delimiter: str | None) -> Iterator[list[str]]:
    """The records of a CSV text, every one with the columns of the first. Raises `CheckFailed` (`bad_file`)."""
    first = text.split("\n", 1)[0]
    cut = delimiter or max(",;\t|", key=first.count)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=cut, strict=True)
    width: int | None = None
    try:
        for row in reader:
            if not row:
                continue
            width = len(row) if width is None else width
            if width > MAX_COLUMNS:
                raise _bad_file(f"it has more than {MAX_COLUMNS} columns")
            if len(row) != width:
                raise _bad_file(f"line {reader.line_num} has {len(row)} cells, the first line {width}")
            yield row
    except csv.Error as error:
        raise _bad_file(f"line {reader.line_num}: {error}") from error


def _bad_file(detail: str) -> CheckFailed:
    return CheckFailed(FailureClass.PROTOCOL, f"the file is no proper CSV: {detail}", reason="bad_file")


def _media_type(name: str) -> str:
    return _MEDIA_TYPES.get(name.lower().rpartition(".")[2], "text/plain")
