"""Oracle through oracledb in thin mode, over a pinned way: one select in a read-only transaction."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import OracleSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.adapters.failures import CLOSE_SECONDS, CONNECT_SECONDS, explained
from steptrail_dbprobe.adapters.metered import Meter
from steptrail_dbprobe.adapters.pinned import pinned
from steptrail_dbprobe.domain import binds, grants
from steptrail_dbprobe.domain.parameters import untyped
from steptrail_dbprobe.domain.redirects import TnsWatch
from steptrail_dbprobe.domain.rows import Rows
from steptrail_dbprobe.domain.statements import SELECTING, asks

_OURS = True
_RULES: tuple[failures.Rule, ...] = (
    (("ORA-01017", "ORA-28000", "ORA-28001", "ORA-01045", "ORA-28009"), FailureClass.AUTH, None, _OURS),
    (("ORA-12514", "ORA-12505", "DPY-6001", "DPY-6003"), FailureClass.NOT_FOUND, "database_missing", _OURS),
    (("ORA-01456", "ORA-16000", "ORA-14551"), FailureClass.PERMISSION, "read_only", _OURS),
    (("ORA-01031", "ORA-41900"), FailureClass.PERMISSION, None, _OURS),
    (("DPY-4024", "ORA-01013", "ORA-03136", "ORA-00040"), FailureClass.TIMEOUT, "statement_timeout", False),
    (("ORA-00054", "ORA-30006", "ORA-04021"), FailureClass.TIMEOUT, "lock_timeout", False),
    (("ORA-00942",), FailureClass.SCHEMA_CHANGED, "table_missing", False),
    (("ORA-00904",), FailureClass.SCHEMA_CHANGED, "column_missing", False),
    (
        ("ORA-01033", "ORA-01034", "ORA-12526", "ORA-12527", "ORA-12528", "ORA-01089", "ORA-01090"),
        FailureClass.CONNECT,
        "starting_up",
        False,
    ),
    (
        ("ORA-00018", "ORA-00020", "ORA-12516", "ORA-12519", "ORA-12520"),
        FailureClass.CONNECT,
        "too_many_connections",
        False,
    ),
    (("DPY-4011", "DPY-6005", "DPY-6000", "ORA-03113", "ORA-03114", "ORA-12541"), FailureClass.CONNECT, None, False),
)
"""https://docs.oracle.com/error-help/db/ and the driver's own codes (DPY)."""
_CODE = re.compile(r"\b(?:ORA|DPY)-\d{4,5}\b")
_TABLES = "select count(*) from user_tables"
_GRANTED = """select count(*) from (
    select privilege from user_tab_privs_recd union all select privilege from role_tab_privs)
    where privilege in ('INSERT', 'UPDATE', 'DELETE', 'ALTER')"""


class OracleEngine:
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
            text, names = binds.positional(failures.sql_of(check), frozenset(check.params), binds.ORACLE)
            if not asks(text, SELECTING):
                raise failures.no_rows()
            values = {f"b{at}": untyped(name, check.params[name]) for at, name in enumerate(names, 1)}
            async with (
                asyncio.timeout(timeout_seconds),
                self._session(connection, timeout_seconds, timings, meter) as database,
            ):
                rights = await _rights(database)
                if rights.level == "superuser" and not self._allow_superuser:
                    raise failures.too_powerful(rights.detail)
                meter.limit = meter.received + failures.FLOOD_BYTES
                began = time.monotonic()
                try:
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
        driver, settings = _driver(), connection.settings
        assert isinstance(settings, OracleSettings)  # noqa: S101  (the kind is chosen by it)
        limit, watch = failures.connect_limit(timeout_seconds), TnsWatch()
        async with pinned(
            self._policy, connection, meter, kind="oracle", seconds=limit, timings=timings, watch=watch
        ) as port:
            try:
                async with asyncio.timeout(limit):
                    database = await driver.connect_async(
                        host="127.0.0.1",
                        port=port,
                        service_name=settings.service_name,
                        user=settings.username,
                        password=connection.secrets.get("password", ""),
                        tcp_connect_timeout=limit,
                        retry_count=0,
                        disable_oob=True,
                        program="steptrail",
                        stmtcachesize=0,
                    )
            except driver.Error as error:
                if watch.redirected:
                    raise _redirected() from error
                raise
            try:
                database.call_timeout = max(int(timeout_seconds * 1000), 1)
                await database.execute("alter session set time_zone = '+00:00'")
                await database.execute("set transaction read only")
                yield database
            finally:
                await _closed(database)


def _driver() -> Any:
    try:
        import oracledb
    except ImportError as error:
        raise failures.missing_driver("Oracle", "oracle") from error
    return oracledb


async def _closed(database: Any) -> None:
    """The server rolls back when the connection ends; one that does not answer is left."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await database.close()
    except (Exception, asyncio.CancelledError):
        return  # the pinned way is cut in any case


async def _fetch(database: Any, text: str, values: dict[str, Any]) -> Rows:
    with database.cursor() as cursor:
        cursor.prefetchrows = cursor.arraysize = 100
        await cursor.execute(text, values, fetch_lobs=False, fetch_decimals=True)
        if cursor.description is None:
            raise failures.no_rows()
        rows = Rows([column[0] for column in cursor.description])
        while batch := await cursor.fetchmany(rows.next_fetch):
            rows.add(batch)
        return rows


async def _rights(database: Any) -> grants.Rights:
    privileges = [row[0] for row in await database.fetchall("select privilege from session_privs")]
    ((own,),) = await database.fetchall(_TABLES)
    ((granted,),) = await database.fetchall(_GRANTED)
    return grants.of_oracle(privileges, own_tables=own, granted=granted)


def _redirected() -> CheckFailed:
    return CheckFailed(
        FailureClass.BLOCKED_BY_POLICY,
        "the listener sends us on to another address, which is not followed: give the address of the instance itself",
        reason="redirected",
    )


def _codes(error: BaseException, code: str | None) -> list[str]:
    """What tells most comes first: the driver wraps a listener's refusal into `cannot connect` (DPY-6005)."""
    text = f"{error}\n{error.__cause__ or ''}"
    found = [word for word in _CODE.findall(text) if word != code]
    return [*found, *([code] if code else [])]


def _translated(error: Exception) -> CheckFailed | None:
    driver = _driver()
    if not isinstance(error, driver.Error):
        if isinstance(error, AttributeError | KeyError | TypeError | IndexError | AssertionError):
            return CheckFailed(FailureClass.PROTOCOL, "the server does not speak Oracle's protocol properly")
        return None
    told = error.args[0] if error.args else None
    code = getattr(told, "full_code", None)
    message = str(getattr(told, "message", None) or failures.said(error)).splitlines()[0]
    message = message[: failures.MAX_MESSAGE_CHARACTERS]
    for known in _codes(error, code):
        told = message if known == code else f"{known}: the listener refuses the connection"
        if found := failures.by_code(_RULES, known, told):
            return found
    if isinstance(code, str) and code.startswith("ORA-"):
        return failures.wrong_statement(message)
    return CheckFailed(FailureClass.PROTOCOL, message)
