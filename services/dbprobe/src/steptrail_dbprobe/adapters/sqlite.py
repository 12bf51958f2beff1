"""SQLite files below allowed folders: opened read-only, with an authorizer, in a thread that obeys the clock."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import SqliteSettings
from steptrail_common.contracts.model import FailureClass

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.domain.rows import MAX_BYTES, LimitExceeded, Rows

PROGRESS_STEPS = 1000
"""Virtual machine steps between two looks at the clock."""
FETCH_ROWS = 100
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


class SqliteEngine:
    """See `ports.Engine`. `roots` are the folders whose files may be opened."""

    def __init__(self, roots: Sequence[Path | str], clock: Clock) -> None:
        self._roots = [Path(root).resolve() for root in roots]
        self._clock = clock

    async def query(
        self, connection: OpenedConnection, check: DbQuery, *, timeout_seconds: float, timings: dict[str, float]
    ) -> Rows:
        statement = failures.sql_of(check)
        path = self._allowed(connection)
        began = time.monotonic()
        given_up = threading.Event()
        try:
            work = asyncio.to_thread(_query, path, statement, dict(check.params), began + timeout_seconds, given_up)
            return await work
        except asyncio.CancelledError:
            given_up.set()
            raise
        finally:
            timings["query"] = time.monotonic() - began

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        path = self._allowed(connection)
        await asyncio.to_thread(_query, path, "select 1", {}, time.monotonic() + 5, threading.Event())
        detail = "The file is opened read-only, whatever its permissions are"
        return ConnectionRights(level="read_only", detail=detail, checked_at=self._clock.now())

    def _allowed(self, connection: OpenedConnection) -> Path:
        """The real path, which must lie below an allowed folder. Links are followed before it is judged."""
        settings = connection.settings
        assert isinstance(settings, SqliteSettings)  # noqa: S101  (the kind is chosen by it)
        try:
            path = Path(settings.path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckFailed(
                FailureClass.BLOCKED_BY_POLICY, "the path cannot be read", reason="path_denied"
            ) from error
        if not any(path.is_relative_to(root) for root in self._roots):
            raise CheckFailed(
                FailureClass.BLOCKED_BY_POLICY,
                "the file lies outside the folders this installation allows (STEPTRAIL_FILE_ROOTS)",
                reason="path_denied",
            )
        if not path.is_file():
            raise CheckFailed(FailureClass.NOT_FOUND, f"there is no file {path.name}", reason="file_missing")
        return path


def _query(path: Path, statement: str, params: Mapping[str, Any], deadline: float, given_up: threading.Event) -> Rows:
    """In a thread: one statement within the limits. Raises `CheckFailed`."""

    def late() -> bool:
        return given_up.is_set() or time.monotonic() > deadline

    try:
        with closing(_open(path, deadline, late)) as database:
            cursor = database.execute(statement, params)
            rows = Rows([column[0] for column in cursor.description or ()])
            if not rows.columns:
                raise failures.no_rows()
            while batch := cursor.fetchmany(1 if not rows.rows else FETCH_ROWS):
                rows.add(batch)
            return rows
    except LimitExceeded as error:
        raise failures.limit_exceeded(error) from error
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        raise _failure(error, late()) from error


def _open(path: Path, deadline: float, late: Callable[[], bool]) -> sqlite3.Connection:
    wait_seconds = max(deadline - time.monotonic(), 0.0)
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=wait_seconds, isolation_level=None)
    database.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    database.execute("pragma query_only = on")
    database.execute("pragma trusted_schema = off")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES + 1)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.set_authorizer(_authorized)
    database.set_progress_handler(late, PROGRESS_STEPS)
    return database


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    forbidden = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS
    return sqlite3.SQLITE_OK if action in _READING and not forbidden else sqlite3.SQLITE_DENY


def _failure(error: Exception, late: bool) -> CheckFailed:
    text = str(error)
    if late or "interrupted" in text:
        return CheckFailed(FailureClass.TIMEOUT, "the query did not end in time", reason="statement_timeout")
    if "locked" in text or "busy" in text:
        return CheckFailed(FailureClass.TIMEOUT, "the database is locked by another program", reason="lock_timeout")
    if "not authorized" in text or "prohibited" in text or "readonly" in text:
        return CheckFailed(FailureClass.PERMISSION, "only reading is allowed here", reason="read_only", ours=True)
    if "no such table" in text or "no such column" in text:
        reason = "table_missing" if "table" in text else "column_missing"
        return CheckFailed(FailureClass.SCHEMA_CHANGED, text, reason=reason)
    if "too big" in text:
        return CheckFailed(FailureClass.TOO_LARGE, "a value is larger than 1 MiB", reason="bytes_limit")
    if "not a database" in text or "malformed" in text:
        return CheckFailed(FailureClass.PROTOCOL, "the file is no SQLite database", reason="bad_file")
    if "unable to open" in text:
        return CheckFailed(FailureClass.CONNECT, "the file cannot be opened", ours=True)
    return failures.wrong_statement(text)
