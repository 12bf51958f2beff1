"""Errors of drivers, servers and the egress policy as failure classes; what is the same for every engine."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied, NameNotResolved

from steptrail_dbprobe.adapters.metered import Meter
from steptrail_dbprobe.domain.binds import UnknownBind
from steptrail_dbprobe.domain.parameters import WrongType
from steptrail_dbprobe.domain.rows import MAX_BYTES, LimitExceeded

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 1.0
LOCK_SECONDS = 2.0
GREETING_BYTES = 256 * 1024
"""What a server may send before the statement: its greeting, its parameters, what the account may do."""
FLOOD_BYTES = 2 * MAX_BYTES
"""What may come for the statement before the connection is broken, even in the middle of a message."""
MAX_MESSAGE_CHARACTERS = 300

CONNECT_SHARE = 0.8
"""Of a step's time: some must be left to say what was wrong, which some drivers do only at their limit."""

Translate = Callable[[Exception], CheckFailed | None]
"""What an engine knows of its driver's errors; None leaves it to the rules of the network."""
_NETWORK: tuple[tuple[type[BaseException], FailureClass], ...] = (
    (ssl.SSLError, FailureClass.TLS),
    (TimeoutError, FailureClass.TIMEOUT),
    (OSError, FailureClass.CONNECT),
    (ValueError, FailureClass.PROTOCOL),
    (OverflowError, FailureClass.PROTOCOL),
    (BufferError, FailureClass.PROTOCOL),
)


def connect_limit(timeout_seconds: float) -> float:
    """How long a step with so much time may wait for its connection."""
    return min(CONNECT_SECONDS, CONNECT_SHARE * timeout_seconds)


@asynccontextmanager
async def explained(meter: Meter | None, translate: Translate) -> AsyncIterator[None]:
    """Every error of driver, server and policy becomes `CheckFailed`; what nobody knows stays what it is."""
    try:
        yield
    except Exception as error:
        found = _explanation(error, meter, translate)
        if found is None or found is error:
            raise
        raise found from error


def _explanation(error: Exception, meter: Meter | None, translate: Translate) -> CheckFailed | None:
    if isinstance(error, CheckFailed):
        return error
    if isinstance(error, EgressDenied):
        return CheckFailed(FailureClass.BLOCKED_BY_POLICY, error.detail, reason=error.reason)
    if isinstance(error, NameNotResolved):
        return CheckFailed(FailureClass.DNS, error.detail)
    if isinstance(error, LimitExceeded):
        return limit_exceeded(error)
    if isinstance(error, WrongType | UnknownBind):
        return wrong_params(str(error))
    if meter is not None and meter.exceeded:
        return _flooded(meter)
    found = translate(error) or of_network(error)
    if found is not None and found.failure_class is FailureClass.TIMEOUT and meter is not None and not meter.received:
        return CheckFailed(FailureClass.TIMEOUT, "the database did not accept a connection in time", reason="connect")
    return found


def of_network(error: BaseException) -> CheckFailed | None:
    """The failure of an error that any connection can have."""
    for kind, failure_class in _NETWORK:
        if isinstance(error, kind):
            return CheckFailed(failure_class, said(error))
    return None


def sql_of(check: DbQuery) -> str:
    """The statement, for an engine that takes SQL. Raises `CheckFailed`."""
    if check.query is None:
        raise CheckFailed(
            FailureClass.INVALID_DEFINITION,
            f"the connection {check.connection} is asked in SQL: write query instead of documents",
            reason="connection_kind",
            ours=True,
        )
    return check.query


def limit_exceeded(error: LimitExceeded) -> CheckFailed:
    kind = FailureClass.TOO_MANY if error.reason == "rows_limit" else FailureClass.TOO_LARGE
    return CheckFailed(kind, str(error), reason=error.reason)


def wrong_statement(message: str) -> CheckFailed:
    """The definition is at fault."""
    return CheckFailed(FailureClass.INVALID_DEFINITION, message[:MAX_MESSAGE_CHARACTERS], reason="sql", ours=True)


def no_rows() -> CheckFailed:
    return wrong_statement("the statement returns no rows: write a select")


def wrong_params(message: str) -> CheckFailed:
    return CheckFailed(FailureClass.INVALID_DEFINITION, message, reason="params", ours=True)


def too_powerful(what: str) -> CheckFailed:
    """The account is refused. `what`: e.g. `is a superuser`."""
    return CheckFailed(
        FailureClass.PERMISSION,
        f"the account {what}: give Steptrail one that can only read",
        reason="superuser_refused",
        ours=True,
    )


def missing_driver(kind: str, extra: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.INTERNAL,
        f"this worker has no driver for {kind}: an administrator installs steptrail-dbprobe[{extra}] on it",
        reason="driver_missing",
        ours=True,
    )


def tls_not_offered() -> CheckFailed:
    return CheckFailed(
        FailureClass.TLS,
        "the server does not speak TLS: turn it on there, or set tls: disable in the connection",
        reason="not_offered",
    )


def _flooded(meter: Meter) -> CheckFailed:
    """The connection was broken because of what came in."""
    if meter.limit > GREETING_BYTES:
        return CheckFailed(
            FailureClass.TOO_LARGE,
            f"the result is larger than {MAX_BYTES // 1024} KiB: select less",
            reason="bytes_limit",
        )
    return CheckFailed(FailureClass.PROTOCOL, "the server sent a flood before it was asked anything", reason="flood")


Rule = tuple[Sequence[int | str], FailureClass, str | None, bool]
"""Codes of a server's errors, class, reason, and whether the trouble is ours (`error`) or the target's (`failed`)."""


def by_code(rules: Sequence[Rule], code: int | str | None, message: str) -> CheckFailed | None:
    """The failure of the first rule with this code."""
    for codes, failure_class, reason, ours in rules:
        if code in codes:
            return CheckFailed(failure_class, message, reason=reason, ours=ours)
    return None


def said(error: BaseException) -> str:
    """The first line of an error, for people."""
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:MAX_MESSAGE_CHARACTERS]
