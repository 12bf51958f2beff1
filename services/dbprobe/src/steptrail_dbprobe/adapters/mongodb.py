"""MongoDB through PyMongo: one find, count or aggregate, over a pinned way, on exactly the member that was named."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from bson import Decimal128, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError
from pymongo import AsyncMongoClient, errors
from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.checks.document_query import DocumentQuery
from steptrail_common.contracts.connections import MongodbSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_dbprobe.adapters import failures
from steptrail_dbprobe.adapters.failures import CLOSE_SECONDS, CONNECT_SECONDS, explained
from steptrail_dbprobe.adapters.metered import Meter
from steptrail_dbprobe.adapters.pinned import pinned
from steptrail_dbprobe.domain import grants
from steptrail_dbprobe.domain.documents import Filled
from steptrail_dbprobe.domain.rows import ROW_LIMIT, Rows

Client = AsyncMongoClient[dict[str, Any]]
_OURS = True
_TYPES: dict[str, Callable[[str], Any]] = {
    "$oid": ObjectId,
    "$uuid": UUID,
    "$numberDecimal": lambda text: Decimal128(str(text)),
}
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    uuid_representation=4,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_RULES: tuple[failures.Rule, ...] = (
    ((18, 11), FailureClass.AUTH, None, _OURS),
    ((13, 8000), FailureClass.PERMISSION, None, _OURS),
    ((50, 202, 262), FailureClass.TIMEOUT, "statement_timeout", False),
    ((24, 46), FailureClass.TIMEOUT, "lock_timeout", False),
    ((26, 73), FailureClass.SCHEMA_CHANGED, "table_missing", False),
    ((10334, 17280, 17282), FailureClass.TOO_LARGE, "bytes_limit", False),
    ((91, 11600, 11602, 10107, 13435, 13436, 189), FailureClass.CONNECT, "not_available", False),
)
"""https://www.mongodb.com/docs/manual/reference/error-codes/"""


class MongodbEngine:
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
            asked = _asked(check)
            filled = Filled(asked, check.params, _TYPES)
            async with self._session(connection, timeout_seconds, timings, meter) as client:
                rights = await _rights(client)
                if rights.level == "superuser" and not self._allow_superuser:
                    raise failures.too_powerful(rights.detail)
                meter.limit = meter.received + failures.FLOOD_BYTES
                began = time.monotonic()
                try:
                    async with asyncio.timeout(timeout_seconds):
                        return await _fetch(client, connection, asked, filled, int(timeout_seconds * 1000))
                finally:
                    timings["query"] = time.monotonic() - began

    async def rights(self, connection: OpenedConnection) -> ConnectionRights:
        meter = Meter(failures.GREETING_BYTES)
        async with (
            explained(meter, _translated),
            asyncio.timeout(2 * CONNECT_SECONDS),
            self._session(connection, CONNECT_SECONDS, {}, meter) as client,
        ):
            return (await _rights(client)).told(self._clock.now())

    @asynccontextmanager
    async def _session(
        self, connection: OpenedConnection, timeout_seconds: float, timings: dict[str, float], meter: Meter
    ) -> AsyncIterator[Client]:
        settings = connection.settings
        assert isinstance(settings, MongodbSettings)  # noqa: S101  (the kind is chosen by it)
        limit = failures.connect_limit(timeout_seconds)
        client: Client | None = None
        try:
            async with pinned(self._policy, connection, meter, kind="mongodb", seconds=limit, timings=timings) as port:
                client = _client(settings, connection.secrets.get("password"), port, limit, timeout_seconds)
                yield client
        finally:
            if client is not None:
                await _closed(client)


_SETTLE_SECONDS = 0.01


def _client(settings: MongodbSettings, password: str | None, port: int, limit: float, timeout_seconds: float) -> Client:
    """Connects when it is first used. Only the pinned way is ever taken, whatever members the server names."""
    account: dict[str, Any] = {}
    if settings.username is not None:
        account = {"username": settings.username, "password": password or "", "authSource": settings.auth_database}
    milliseconds = max(int(limit * 1000), 1)
    return AsyncMongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=max(int(timeout_seconds * 1000), 1) + 500,
        serverMonitoringMode="poll",
        maxPoolSize=1,
        retryReads=False,
        retryWrites=False,
        appname="steptrail",
        **account,
    )


async def _closed(client: Client) -> None:
    """The way has ended before, and each monitor has a moment to find that it cannot connect: PyMongo forgets the
    socket of one that is cancelled while it does."""
    try:
        await asyncio.sleep(_SETTLE_SECONDS)
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    except (Exception, asyncio.CancelledError):
        return  # the pinned way is cut in any case


def _asked(check: DbQuery) -> DocumentQuery:
    if check.documents is None:
        raise CheckFailed(
            FailureClass.INVALID_DEFINITION,
            f"the connection {check.connection} is a MongoDB: write documents instead of query",
            reason="connection_kind",
            ours=True,
        )
    return check.documents


async def _fetch(
    client: Client, connection: OpenedConnection, asked: DocumentQuery, filled: Filled, milliseconds: int
) -> Rows:
    database = client.get_database(connection.settings.database, codec_options=_OPTIONS)  # type: ignore[union-attr]
    collection = database.get_collection(asked.collection)
    most = ROW_LIMIT.get() + 1
    if asked.operation == "count":
        count = await collection.count_documents(filled.filter, maxTimeMS=milliseconds)
        rows = Rows(["count"])
        rows.add([(count,)])
        return rows
    if asked.operation == "aggregate":
        stages = [*filled.pipeline, {"$limit": most}]
        cursor: Any = await collection.aggregate(stages, maxTimeMS=milliseconds, allowDiskUse=False, batchSize=most)
    else:
        cursor = collection.find(
            filled.filter,
            filled.projection or None,
            sort=list(asked.sort.items()) or None,
            limit=min(asked.limit or most, most),
            batch_size=most,
            max_time_ms=milliseconds,
        )
    async with cursor:
        return table([document async for document in cursor])


def table(documents: list[Mapping[str, Any]]) -> Rows:
    """Documents as rows: the columns are all keys of the first level, in the order they appear."""
    columns = list(dict.fromkeys(key for document in documents for key in document))
    rows = Rows(columns)
    rows.add([_plain(document.get(column)) for column in columns] for document in documents)
    return rows


def _plain(value: Any) -> Any:
    """A value of BSON without its wrapping; what has no counterpart becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, Timestamp):
        return value.as_datetime()
    if isinstance(value, DatetimeMS):
        return f"{int(value)} ms since 1970-01-01"
    if isinstance(value, Regex):
        return f"/{value.pattern}/"
    return value


async def _rights(client: Client) -> grants.Rights:
    status = await client.admin.command("connectionStatus", showPrivileges=True)
    found = status["authInfo"]
    return grants.of_mongodb(found["authenticatedUsers"], found.get("authenticatedUserPrivileges", []))


def _translated(error: Exception) -> CheckFailed | None:
    if isinstance(error, errors.OperationFailure):
        message = str((error.details or {}).get("errmsg") or failures.said(error))[: failures.MAX_MESSAGE_CHARACTERS]
        return failures.by_code(_RULES, error.code, message) or failures.wrong_statement(message)
    if isinstance(error, errors.ServerSelectionTimeoutError | errors.AutoReconnect | errors.WaitQueueTimeoutError):
        return _unreachable(str(error))
    if isinstance(error, errors.ProtocolError | BSONError):
        return CheckFailed(FailureClass.PROTOCOL, "the server does not speak MongoDB properly")
    if isinstance(error, errors.ConfigurationError | errors.InvalidOperation):
        return CheckFailed(FailureClass.PROTOCOL, failures.said(error))
    if isinstance(error, errors.PyMongoError):
        return CheckFailed(FailureClass.PROTOCOL, failures.said(error))
    if isinstance(error, AttributeError | KeyError | TypeError | IndexError | OverflowError):
        return CheckFailed(FailureClass.PROTOCOL, "the server does not speak MongoDB properly")
    return None


def _unreachable(text: str) -> CheckFailed:
    """The driver names the end of the pinned way that it knows, which would tell people nothing."""
    if "timed out" in text or ("Timeout" in text and "closed" not in text):
        return CheckFailed(FailureClass.TIMEOUT, "the database did not answer in time")
    return CheckFailed(FailureClass.CONNECT, "the server closed the connection")
