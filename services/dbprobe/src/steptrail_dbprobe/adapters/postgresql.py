"""PostgreSQL through asyncpg: a read-only transaction around one prepared statement.

`SELECT 1` comes first, because a transaction that has run a query can no longer be made read-write.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg import exceptions as pg
from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import PostgresqlSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.adapters.encryption import context_of
from steptrail_dbprobe.adapters.failures import CLOSE_SECONDS, CONNECT_SECONDS, LOCK_SECONDS, explained
from steptrail_dbprobe.adapters.metered import Meter, MeteredLoop
from steptrail_dbprobe.domain.binds import positional
from steptrail_dbprobe.domain.parameters import WrongType, fitting
from steptrail_dbprobe.domain.rows import Rows

_BEGIN = """
BEGIN READ ONLY;
SELECT 1;
SELECT 1 FROM (SELECT 1) AS account
 WHERE current_setting('is_superuser') = 'on'
    OR EXISTS (SELECT FROM pg_roles WHERE pg_has_role(oid, 'member')
                AND rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
    OR EXISTS (SELECT FROM pg_proc WHERE proname = 'dblink_connect_u' AND has_function_privilege(oid, 'execute'))
"""
"""One visit of the server: the transaction, a query so that it stays read-only, and whether the account may too much;
then the last statement gives a row, and the server says `SELECT 1`."""
_SAFE = "SELECT 0"
_RIGHTS = """
select r.rolsuper as superuser,
       pg_has_role(current_user, 'pg_read_server_files', 'member')
         or pg_has_role(current_user, 'pg_write_server_files', 'member')
         or pg_has_role(current_user, 'pg_execute_server_program', 'member') as files,
       exists (select from pg_proc p where p.proname = 'dblink_connect_u' and has_function_privilege(p.oid, 'execute'))
         as anybody,
       exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where p.proname in ('dblink', 'dblink_exec', 'dblink_connect')
                  and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')) as elsewhere,
       has_database_privilege(current_database(), 'create')
         or exists (select from pg_namespace n where n.nspname !~ '^pg_' and has_schema_privilege(n.oid, 'create'))
         as creates,
       (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and has_table_privilege(c.oid, 'insert, update, delete, truncate')) as writable
from pg_roles r where r.rolname = current_user
"""
_OURS = True
_CLASSES: tuple[tuple[type[BaseException], FailureClass, str | None, bool], ...] = (
    (pg.InvalidAuthorizationSpecificationError, FailureClass.AUTH, None, _OURS),
    (pg.InvalidCatalogNameError, FailureClass.NOT_FOUND, "database_missing", _OURS),
    (pg.InsufficientPrivilegeError, FailureClass.PERMISSION, None, _OURS),
    (pg.ReadOnlySQLTransactionError, FailureClass.PERMISSION, "read_only", _OURS),
    (pg.QueryCanceledError, FailureClass.TIMEOUT, "statement_timeout", False),
    (pg.LockNotAvailableError, FailureClass.TIMEOUT, "lock_timeout", False),
    (pg.UndefinedTableError, FailureClass.SCHEMA_CHANGED, "table_missing", False),
    (pg.UndefinedColumnError, FailureClass.SCHEMA_CHANGED, "column_missing", False),
    (pg.UndefinedFunctionError, FailureClass.SCHEMA_CHANGED, "function_missing", False),
    (pg.SyntaxOrAccessError, FailureClass.INVALID_DEFINITION, "sql", _OURS),
    (pg.DataError, FailureClass.INVALID_DEFINITION, "sql", _OURS),
    (pg.ActiveSQLTransactionError, FailureClass.INVALID_DEFINITION, "sql", _OURS),
    (pg.InvalidTransactionStateError, FailureClass.PERMISSION, "read_only", _OURS),
    (pg.TooManyConnectionsError, FailureClass.CONNECT, "too_many_connections", False),
    (pg.CannotConnectNowError, FailureClass.CONNECT, "starting_up", False),
    (pg.PostgresConnectionError, FailureClass.CONNECT, None, False),
    (pg.InterfaceError, FailureClass.PROTOCOL, None, False),
    (pg.InternalClientError, FailureClass.PROTOCOL, None, False),
    (pg.PostgresError, FailureClass.PROTOCOL, None, False),
)
"""Error, class, reason, and whether the trouble is ours (`error`) or the target's (`failed`). First match counts."""


class PostgresqlEngine:
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
            text, names = positional(failures.sql_of(check), frozenset(check.params))
            async with self._session(connection, timeout_seconds, timings, meter) as (database, safe):
                if not safe and not self._allow_superuser:
                    raise failures.too_powerful(
                        "is a superuser, reaches the server's files or signs in elsewhere as the server"
                    )
                meter.limit = meter.received + failures.FLOOD_BYTES
                began = time.monotonic()
                try:
                    return await _fetch(database, text, names, check.params)
                finally:
                    timings["query"] = time.monotonic() - began

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        meter = Meter(failures.GREETING_BYTES)
        async with (
            explained(meter, _translated),
            self._session(connection, CONNECT_SECONDS, {}, meter) as (
                database,
                _,
            ),
        ):
            found = await database.fetchrow(_RIGHTS)
        level, detail = _judged(found)
        return ConnectionRights.model_validate({"level": level, "detail": detail, "checked_at": self._clock.now()})

    @asynccontextmanager
    async def _session(
        self, connection: OpenedConnection, timeout_seconds: float, timings: dict[str, float], meter: Meter
    ) -> AsyncIterator[tuple["asyncpg.Connection[asyncpg.Record]", bool]]:
        """(a new connection inside a read-only transaction that is rolled back, whether its account can only do what
        accounts of checks may)."""
        settings = connection.settings
        assert isinstance(settings, PostgresqlSettings)  # noqa: S101  (the kind is chosen by it)
        began = time.monotonic()
        addresses = await self._policy.resolve(settings.host, settings.port, kind="postgresql")
        timings["dns"] = time.monotonic() - began
        milliseconds = str(max(int(timeout_seconds * 1000), 1))
        database = await _connected(
            host=addresses,
            port=[settings.port] * len(addresses),
            user=settings.username,
            password=connection.secrets.get("password", ""),
            database=settings.database,
            passfile="/dev/null",
            ssl=context_of(connection) or False,
            loop=MeteredLoop(meter, settings.host),
            timeout=failures.connect_limit(timeout_seconds),
            command_timeout=timeout_seconds,
            statement_cache_size=0,
            server_settings={
                "application_name": "steptrail",
                "default_transaction_read_only": "on",
                "statement_timeout": milliseconds,
                "lock_timeout": str(min(int(LOCK_SECONDS * 1000), int(milliseconds))),
                "idle_in_transaction_session_timeout": "30000",
            },
        )
        timings["connect"] = time.monotonic() - began - timings["dns"]
        try:
            yield database, await database.execute(_BEGIN) == _SAFE
        except (pg.InterfaceError, pg.InternalClientError) as error:
            if database.is_closed():  # between two statements; within one the driver says so itself
                raise CheckFailed(FailureClass.CONNECT, "the server ended the session") from error
            raise
        finally:
            await _closed(database)


async def _connected(**how: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """The driver trusts a server's greeting and stumbles over what is missing in it."""
    try:
        return await asyncpg.connect(**how)
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckFailed(FailureClass.PROTOCOL, "the server does not speak PostgreSQL properly") from error


async def _closed(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Roll back and say goodbye; a server that does not answer is left."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            if not database.is_closed():
                await database.execute("ROLLBACK")
            await database.close()
    except (Exception, asyncio.CancelledError):
        database.terminate()


async def _fetch(
    database: "asyncpg.Connection[asyncpg.Record]", text: str, names: list[str], params: Mapping[str, Any]
) -> Rows:
    prepared = await database.prepare(text)
    wanted = [parameter.name for parameter in prepared.get_parameters()]
    if len(wanted) != len(names):
        raise WrongType("write values as named binds such as :order, not as $1")
    values = [fitting(name, params[name], kind) for name, kind in zip(names, wanted, strict=True)]
    rows = Rows([attribute.name for attribute in prepared.get_attributes()])
    if not rows.columns:
        raise failures.no_rows()
    cursor = await prepared.cursor(*values)
    while batch := await cursor.fetch(rows.next_fetch):
        rows.add(batch)
    return rows


def _translated(error: Exception) -> CheckFailed | None:
    if "rejected SSL upgrade" in str(error):
        return failures.tls_not_offered()
    for kind_of_error, failure_class, reason, ours in _CLASSES:
        if isinstance(error, kind_of_error):
            return CheckFailed(failure_class, failures.said(error), reason=reason, ours=ours)
    return None


def _judged(found: Any) -> tuple[str, str]:
    powers = {
        "superuser": "is a superuser",
        "files": "can read or write files of the server or run programs there",
        "anybody": "can sign in to databases as the server itself (dblink_connect_u)",
    }
    if what := next((words for name, words in powers.items() if found[name]), None):
        return "superuser", f"The account {what}: give Steptrail one that can only read"
    if found["writable"] or found["creates"]:
        count = found["writable"]
        tables = f"{count} tables" if count > 1 else "a table"
        what = f"can change {tables}" if count else "can create objects"
        return "can_write", f"The account {what}; checks run read-only, but the account is the real guard"
    if found["elsewhere"]:
        return (
            "can_write",
            "The account can run statements in other databases through dblink, which no transaction of ours holds back",
        )
    return "read_only", "The account can only read"
