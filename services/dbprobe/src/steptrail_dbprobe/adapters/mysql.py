"""MySQL and MariaDB through asyncmy: one statement, prepared by the server, in a read-only transaction.

A read-only transaction stops neither DDL nor `INTO OUTFILE` there. What is prepared and would return no rows is never
executed, which leaves these out; the guard is still the account.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import error as StructError  # noqa: N812
from typing import Any

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import MysqlSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.adapters.encryption import context_of
from steptrail_dbprobe.adapters.failures import CLOSE_SECONDS, CONNECT_SECONDS, LOCK_SECONDS, explained
from steptrail_dbprobe.adapters.metered import Meter, MeteredLoop
from steptrail_dbprobe.domain import binds, grants
from steptrail_dbprobe.domain.parameters import untyped
from steptrail_dbprobe.domain.rows import ROW_LIMIT, Rows
from steptrail_dbprobe.domain.statements import asks

_MULTI_STATEMENTS = 1 << 16
_TLS_CAPABILITY = 1 << 11
_COM_STMT_PREPARE = 0x16
_LOST = (2003, 2006, 2013)
_OURS = True
_RULES: tuple[failures.Rule, ...] = (
    ((1045, 1698, 1862, 2059, 1130), FailureClass.AUTH, None, _OURS),
    ((1049,), FailureClass.NOT_FOUND, "database_missing", _OURS),
    ((1044, 1142, 1143, 1227, 1370, 1290, 1449), FailureClass.PERMISSION, None, _OURS),
    ((1792, 1836), FailureClass.PERMISSION, "read_only", _OURS),
    ((1969, 3024, 1317), FailureClass.TIMEOUT, "statement_timeout", False),
    ((1205, 3572), FailureClass.TIMEOUT, "lock_timeout", False),
    ((1146, 1109), FailureClass.SCHEMA_CHANGED, "table_missing", False),
    ((1054,), FailureClass.SCHEMA_CHANGED, "column_missing", False),
    ((1305, 1630), FailureClass.SCHEMA_CHANGED, "function_missing", False),
    ((1040, 1203, 1226), FailureClass.CONNECT, "too_many_connections", False),
    ((1053, 1077, 1927), FailureClass.CONNECT, "shutting_down", False),
    (_LOST, FailureClass.CONNECT, None, False),
    ((2014, 2027), FailureClass.PROTOCOL, None, False),
)
"""https://mariadb.com/kb/en/mariadb-error-codes/ and MySQL's server error reference."""
_CONFUSED = (AttributeError, KeyError, TypeError, IndexError, StructError, RuntimeError, AssertionError, MemoryError)
"""What the driver stumbles with over a server that does not speak properly."""


class _NeverInClear:
    """In place of the driver's ways of signing in that send the password as it is."""

    def __init__(self, connection: Any) -> None:
        pass

    def authenticate(self, packet: Any) -> Any:
        raise CheckFailed(
            FailureClass.AUTH,
            "the server asks for the password in clear text over a connection that is not encrypted: use TLS",
            reason="password_in_clear",
            ours=True,
        )


class MysqlEngine:
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
            text, names = binds.positional(failures.sql_of(check), frozenset(check.params), binds.MYSQL)
            if not asks(text):
                raise failures.no_rows()
            values = [untyped(name, check.params[name]) for name in names]
            async with self._session(connection, timeout_seconds, timings, meter) as database:
                rights = await _rights(database)
                if rights.level == "superuser" and not self._allow_superuser:
                    raise failures.too_powerful(rights.detail)
                meter.limit = meter.received + failures.FLOOD_BYTES
                began = time.monotonic()
                try:
                    async with asyncio.timeout(timeout_seconds):
                        return await _fetch(database, text, values)
                finally:
                    timings["query"] = time.monotonic() - began

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        meter = Meter(failures.GREETING_BYTES)
        async with (
            explained(meter, _translated),
            asyncio.timeout(2 * CONNECT_SECONDS),
            self._session(connection, CONNECT_SECONDS, {}, meter) as database,
        ):
            return (await _rights(database)).told(self._clock.now())

    @asynccontextmanager
    async def _session(
        self, connection: OpenedConnection, timeout_seconds: float, timings: dict[str, float], meter: Meter
    ) -> AsyncIterator[Any]:
        """A new connection inside a read-only transaction, closed in every case."""
        settings = connection.settings
        assert isinstance(settings, MysqlSettings)  # noqa: S101  (the kind is chosen by it)
        began = time.monotonic()
        addresses = await self._policy.resolve(settings.host, settings.port, kind="mysql")
        timings["dns"] = time.monotonic() - began
        limit = failures.connect_limit(timeout_seconds)
        async with asyncio.timeout(limit):
            database = await _connected(connection, settings, addresses, meter, limit)
        timings["connect"] = time.monotonic() - began - timings["dns"]
        try:
            async with asyncio.timeout(timeout_seconds):
                for statement in _opening(database.get_server_info(), timeout_seconds):
                    await database.query(statement)
            yield database
        finally:
            await _closed(database)


def _driver() -> Any:
    try:
        from asyncmy import connection as driver
    except ImportError as error:
        raise failures.missing_driver("MySQL and MariaDB", "mysql") from error
    return driver


async def _connected(
    connection: OpenedConnection, settings: MysqlSettings, addresses: list[str], meter: Meter, seconds: float
) -> Any:
    """A connection to the first address that answers; each gets an equal share of the time."""
    driver = _driver()
    encryption = context_of(connection)
    for address in addresses:
        database = driver.Connection(
            host=address,
            port=settings.port,
            user=settings.username,
            password=connection.secrets.get("password", "").encode(),
            database=settings.database,
            charset="utf8mb4",
            connect_timeout=seconds,
            local_infile=False,
            autocommit=None,
            program_name="steptrail",
            ssl=encryption,
            auth_plugin_map={} if encryption else dict.fromkeys(_CLEAR, _NeverInClear),
        )
        database._loop = MeteredLoop(meter, settings.host)
        database._client_flag &= ~_MULTI_STATEMENTS
        try:
            async with asyncio.timeout(seconds / len(addresses)):
                await database.connect()
            return database
        except Exception as error:
            database.close()
            if encryption and not getattr(database, "server_capabilities", _TLS_CAPABILITY) & _TLS_CAPABILITY:
                raise failures.tls_not_offered() from error
            if address == addresses[-1]:
                raise
    raise OSError("the host name has no address")


_CLEAR = (b"mysql_clear_password", b"dialog", b"mysql_old_password")


def _opening(version: str, seconds: float) -> list[str]:
    """What the session is set to before the transaction begins."""
    milliseconds, lock_seconds = max(int(seconds * 1000), 1), max(int(min(LOCK_SECONDS, seconds)), 1)
    if "mariadb" in version.lower():
        limit = f"max_statement_time = {milliseconds / 1000}"
    else:
        limit = f"max_execution_time = {milliseconds}"
    return [
        f"set session {limit}, lock_wait_timeout = {lock_seconds}, innodb_lock_wait_timeout = {lock_seconds}, "
        f"sql_select_limit = {ROW_LIMIT.get() + 1}, time_zone = '+00:00'",
        "start transaction read only",
    ]


async def _closed(database: Any) -> None:
    """The server rolls back by itself when the connection ends; one that does not answer is left."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            result = database._result
            if result is not None and result.unbuffered_active:
                database.close()
            await database.ensure_closed()
    except (Exception, asyncio.CancelledError):
        database.close()


async def _fetch(database: Any, text: str, values: list[Any]) -> Rows:
    statement, columns = await _prepared(database, text)
    if not columns:
        raise failures.no_rows()
    if statement.parameter_count != len(values):
        raise failures.wrong_params("write values as named binds such as :order, not as ?")
    result = await statement.execute(values)
    if result.description is None:
        raise failures.no_rows()
    rows = Rows([column[0] for column in result.description])
    rows.add(result.rows)
    return rows


async def _prepared(database: Any, text: str) -> tuple[Any, int]:
    """The statement as the server understood it, not executed, and how many columns it will return.

    The driver's own `prepare` keeps the number of columns to itself.
    """
    driver = _driver()
    await database._execute_command(_COM_STMT_PREPARE, text)
    answer = await database.read_packet()
    answer.read_uint8()
    number, columns, parameters = answer.read_uint32(), answer.read_uint16(), answer.read_uint16()
    for count in (parameters, columns):
        for _ in range(count):
            await database.read_packet()
        if count and not database._deprecate_eof:
            await database.read_packet()
    return driver.PreparedStatement(database, number, parameters), columns


async def _rights(database: Any) -> grants.Rights:
    rows = await _asked(database, "show grants")
    found = [str(row[0]) for row in rows]
    if grants.names_a_role(found) and "mariadb" not in database.get_server_info().lower():
        roles = await _asked(database, "select current_role()")
        if roles and roles[0][0] not in (None, "NONE"):
            found += [
                str(row[0]) for row in await _asked(database, f"show grants for current_user() using {roles[0][0]}")
            ]
    return grants.of_mysql(found)


async def _asked(database: Any, statement: str) -> list[tuple[Any, ...]]:
    await database.query(statement)
    return list(database._result.rows or ())


def _translated(error: Exception) -> CheckFailed | None:
    text = failures.said(error)
    if isinstance(error, _CONFUSED):
        asked_for_file = "LOAD_LOCAL" in text
        message = "the server asked for a file of this machine" if asked_for_file else "the server does not speak MySQL"
        reason = "local_file" if asked_for_file else None
        return CheckFailed(FailureClass.PROTOCOL, message, reason=reason)
    errors = _driver_errors()
    if not isinstance(error, errors.MySQLError):
        return None
    code = error.args[0] if error.args and isinstance(error.args[0], int) else None
    message = str(error.args[1])[: failures.MAX_MESSAGE_CHARACTERS] if len(error.args) > 1 else text
    if code in _LOST and isinstance(error.__cause__, OSError):
        return failures.of_network(error.__cause__)
    if found := failures.by_code(_RULES, code, message):
        return found
    if (code is not None and 1000 <= code < 2000) or (code is not None and code >= 3000):
        return failures.wrong_statement(message)
    return CheckFailed(FailureClass.PROTOCOL, message)


def _driver_errors() -> Any:
    from asyncmy import errors

    return errors
