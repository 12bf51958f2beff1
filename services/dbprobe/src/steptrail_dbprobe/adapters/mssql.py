"""SQL Server through mssql-python in a thread, over a pinned way on which the worker speaks TLS.

There is no read-only transaction and one request may hold several statements: what does not look like one select is
refused, everything is rolled back, and the account is the guard.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeVar

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import MssqlSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.adapters.failures import CONNECT_SECONDS, LOCK_SECONDS, explained
from steptrail_dbprobe.adapters.metered import Meter
from steptrail_dbprobe.adapters.pinned import pinned
from steptrail_dbprobe.adapters.tds_tls import NotOffered
from steptrail_dbprobe.domain import binds, grants
from steptrail_dbprobe.domain.parameters import untyped
from steptrail_dbprobe.domain.rows import ROW_LIMIT, Rows
from steptrail_dbprobe.domain.statements import SELECTING, asks, writes_in_tsql
from steptrail_dbprobe.domain.tds import TdsWatch

T = TypeVar("T")
_OURS = True
_RULES: tuple[failures.Rule, ...] = (
    ((18456, 18486, 18487, 18488, 4062), FailureClass.AUTH, None, _OURS),
    ((4060, 911), FailureClass.NOT_FOUND, "database_missing", _OURS),
    ((229, 230, 262, 300, 297, 15247, 916), FailureClass.PERMISSION, None, _OURS),
    ((1222,), FailureClass.TIMEOUT, "lock_timeout", False),
    ((208,), FailureClass.SCHEMA_CHANGED, "table_missing", False),
    ((207,), FailureClass.SCHEMA_CHANGED, "column_missing", False),
    ((195, 2812), FailureClass.SCHEMA_CHANGED, "function_missing", False),
    ((10928, 10929, 17809), FailureClass.CONNECT, "too_many_connections", False),
)
"""https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors"""
_WORDS: tuple[tuple[re.Pattern[str], FailureClass, str | None, bool], ...] = (
    (re.compile(r"cannot open database", re.I), FailureClass.NOT_FOUND, "database_missing", _OURS),
    (re.compile(r"login failed", re.I), FailureClass.AUTH, None, _OURS),
    (re.compile(r"permission was denied", re.I), FailureClass.PERMISSION, None, _OURS),
    (re.compile(r"lock request time ?out", re.I), FailureClass.TIMEOUT, "lock_timeout", False),
    (re.compile(r"timeout expired|login timeout", re.I), FailureClass.TIMEOUT, "statement_timeout", False),
    (re.compile(r"invalid object name", re.I), FailureClass.SCHEMA_CHANGED, "table_missing", False),
    (re.compile(r"invalid column name", re.I), FailureClass.SCHEMA_CHANGED, "column_missing", False),
    (re.compile(r"ssl provider|certificate|encryption", re.I), FailureClass.TLS, None, False),
    (
        re.compile(r"communication link|tcp provider|connection (is|was) (closed|broken)", re.I),
        FailureClass.CONNECT,
        None,
        False,
    ),
    (re.compile(r"unable to complete login|prelogin|protocol error", re.I), FailureClass.PROTOCOL, None, False),
)
"""The driver gives text only: numbers of the server stand in it where it tells them."""
_NUMBER = re.compile(r"\((\d{3,5})\)|error (\d{3,5})", re.I)
_RIGHTS = """
select is_srvrolemember('sysadmin'), has_perms_by_name(null, null, 'CONTROL SERVER'),
       has_perms_by_name(null, null, 'ADMINISTER BULK OPERATIONS'), is_rolemember('db_owner'),
       has_perms_by_name(db_name(), 'DATABASE', 'INSERT'), has_perms_by_name(db_name(), 'DATABASE', 'UPDATE'),
       has_perms_by_name(db_name(), 'DATABASE', 'DELETE'), has_perms_by_name(db_name(), 'DATABASE', 'CREATE TABLE'),
       has_perms_by_name(db_name(), 'DATABASE', 'EXECUTE'),
       (select count(*) from sys.tables t where
            has_perms_by_name(quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', 'INSERT') = 1
         or has_perms_by_name(quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', 'UPDATE') = 1
         or has_perms_by_name(quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', 'DELETE') = 1)
"""


class MssqlEngine:
    """See `ports.Engine`."""

    def __init__(self, policy: EgressPolicy, clock: Clock, *, allow_superuser: bool) -> None:
        self._policy = policy
        self._clock = clock
        self._allow_superuser = allow_superuser

    async def query(
        self, connection: OpenedConnection, check: DbQuery, *, timeout_seconds: float, timings: dict[str, float]
    ) -> Rows:
        meter = Meter(failures.GREETING_BYTES)
        async with explained(meter, _translated):
            text, names = binds.positional(failures.sql_of(check), frozenset(check.params), binds.MSSQL)
            if not asks(text, SELECTING):
                raise failures.no_rows()
            if word := writes_in_tsql(text):
                raise failures.wrong_statement(f"only one select is asked: {word} is refused (a name goes in brackets)")
            values = [untyped(name, check.params[name]) for name in names]

            def work(database: Any) -> Rows:
                rights = _rights(database)
                if rights.level == "superuser" and not self._allow_superuser:
                    raise failures.too_powerful(rights.detail)
                meter.limit = meter.received + failures.FLOOD_BYTES
                began = time.monotonic()
                try:
                    return _fetch(database, text, values)
                finally:
                    timings["query"] = time.monotonic() - began

            return await self._in_thread(connection, work, meter, timeout_seconds, timings)

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        meter = Meter(failures.GREETING_BYTES)
        async with explained(meter, _translated):
            found = await self._in_thread(connection, _rights, meter, CONNECT_SECONDS, {})
            return found.told(self._clock.now())

    async def _in_thread(
        self,
        connection: OpenedConnection,
        work: Callable[[Any], T],
        meter: Meter,
        timeout_seconds: float,
        timings: dict[str, float],
    ) -> T:
        """`work` with a new connection. Cutting the pinned way ends a thread that still waits."""
        driver, settings = _driver(), connection.settings
        assert isinstance(settings, MssqlSettings)  # noqa: S101  (the kind is chosen by it)
        limit = failures.connect_limit(timeout_seconds)
        watch = TdsWatch(greeted=settings.tls != "disable")
        async with (
            asyncio.timeout(timeout_seconds),
            pinned(
                self._policy, connection, meter, kind="mssql", seconds=limit, timings=timings, watch=watch, tds=True
            ) as port,
        ):
            words = _connection_words(settings, connection.secrets.get("password", ""), port)
            try:
                return await asyncio.to_thread(_with_database, driver, words, limit, timeout_seconds, work)
            except (driver.Error, RuntimeError) as error:
                if found := _seen(watch):
                    raise found from error
                raise


def _driver() -> Any:
    try:
        import mssql_python
    except (ImportError, OSError) as error:
        raise failures.missing_driver("SQL Server", "mssql") from error
    mssql_python.pooling(enabled=False)
    return mssql_python


def _connection_words(settings: MssqlSettings, password: str, port: int) -> str:
    """Only fields of the typed form get in, each quoted: nothing can add a keyword.

    The driver speaks in clear to the worker's own end of the pinned way. Without TLS behind it, it still encrypts its
    sign-in if the server can.
    """
    words = {
        "Server": f"127.0.0.1,{port}",
        "Database": settings.database,
        "UID": settings.username,
        "PWD": password,
        "Encrypt": "no",
        "TrustServerCertificate": "yes",
        "ApplicationIntent": "ReadOnly",
        "ConnectRetryCount": "0",
    }
    return "".join(f"{key}={{{value.replace('}', '}}')}}};" for key, value in words.items())


def _seen(watch: TdsWatch) -> CheckFailed | None:
    """Why the connection was ended, which the driver cannot know."""
    if watch.redirected:
        return CheckFailed(
            FailureClass.BLOCKED_BY_POLICY,
            "the server sends us on to another address, which is not followed: give the address of the replica itself",
            reason="redirected",
        )
    if watch.demands_tls:
        return CheckFailed(
            FailureClass.TLS,
            "the server demands encryption: set tls: require or verify-full in the connection",
            reason="demanded",
            ours=True,
        )
    return None


def _with_database(
    driver: Any, words: str, connect_seconds: float, timeout_seconds: float, work: Callable[[Any], T]
) -> T:
    with closing(driver.connect(words, autocommit=False, timeout=max(math.ceil(connect_seconds), 1))) as database:
        database.timeout = max(math.ceil(timeout_seconds), 1)
        with closing(database.cursor()) as cursor:
            lock_milliseconds = int(min(LOCK_SECONDS, timeout_seconds) * 1000)
            cursor.execute(f"SET LOCK_TIMEOUT {lock_milliseconds}; SET XACT_ABORT ON; SET NOCOUNT ON")
        try:
            return work(database)
        finally:
            database.rollback()


def _fetch(database: Any, text: str, values: Sequence[Any]) -> Rows:
    with closing(database.cursor()) as cursor:
        cursor.execute(f"SET ROWCOUNT {ROW_LIMIT.get() + 1}")
        cursor.execute(text, *values) if values else cursor.execute(text)
        if not cursor.description:
            raise failures.no_rows()
        rows = Rows([column[0] for column in cursor.description])
        while batch := cursor.fetchmany(rows.next_fetch):
            rows.add([tuple(row) for row in batch])
        return rows


def _rights(database: Any) -> grants.Rights:
    with closing(database.cursor()) as cursor:
        cursor.execute(_RIGHTS)
        return grants.of_mssql([int(value or 0) for value in cursor.fetchone()])


def _translated(error: Exception) -> CheckFailed | None:
    if isinstance(error, NotOffered):
        return failures.tls_not_offered()
    driver = _driver()
    text = str(error).strip()
    if not isinstance(error, driver.Error | RuntimeError):
        return None
    if "Failed to load the driver" in text:
        return failures.missing_driver("SQL Server (its system libraries libltdl7 and krb5)", "mssql")
    message = failures.said(RuntimeError(text.replace("\n", " ")))
    numbers = [int(found[0] or found[1]) for found in _NUMBER.findall(text)]
    for number in numbers:
        if found := failures.by_code(_RULES, number, message):
            return found
    for pattern, failure_class, reason, ours in _WORDS:
        if pattern.search(text):
            return CheckFailed(failure_class, message, reason=reason, ours=ours)
    if isinstance(error, driver.ProgrammingError | driver.DataError):
        return failures.wrong_statement(message)
    return CheckFailed(FailureClass.PROTOCOL, message)
