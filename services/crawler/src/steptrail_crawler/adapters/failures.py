"""What went wrong on the wire, by its failure class; the libraries' own errors end here."""

import os
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import aiohttp
import httpx2
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied, NameNotResolved

from steptrail_crawler.domain.address import origin


class _Named(NamedTuple):
    """Errors of the libraries with one meaning. `words` may hold `{host}`, `{why}` of the system and `{error}`."""

    errors: tuple[type[BaseException], ...]
    failure_class: FailureClass
    words: str
    reason: str | None = None


_NAMED = (
    _Named(
        (httpx2.ConnectTimeout, aiohttp.ConnectionTimeoutError),
        FailureClass.TIMEOUT,
        "{host} did not accept a connection in time",
        "connect",
    ),
    _Named((TimeoutError, httpx2.TimeoutException), FailureClass.TIMEOUT, "{host} did not answer in time", "read"),
    _Named(
        (httpx2.ConnectError, aiohttp.ClientConnectorError), FailureClass.CONNECT, "{host} cannot be reached: {why}"
    ),
    _Named(
        (httpx2.NetworkError, aiohttp.ClientOSError),
        FailureClass.CONNECT,
        "the connection to {host} was lost",
        "connection_lost",
    ),
    _Named(
        (httpx2.DecodingError,), FailureClass.PROTOCOL, "{host} sent a body that cannot be unpacked", "bad_encoding"
    ),
    _Named(
        (httpx2.InvalidURL, aiohttp.InvalidURL),
        FailureClass.INVALID_DEFINITION,
        "the address is not valid: {error}",
        "bad_url",
    ),
    _Named(
        (
            httpx2.ProtocolError,
            aiohttp.ClientResponseError,
            aiohttp.ClientPayloadError,
            aiohttp.ServerDisconnectedError,
        ),
        FailureClass.PROTOCOL,
        "{host} does not speak HTTP properly: {error}",
        "bad_response",
    ),
)
"""In this order: some are kinds of others."""


def failure_of(error: BaseException, url: str) -> CheckFailed | None:
    """The failure class of what went wrong on the wire; None for what is our own bug."""
    host = origin(url)[1]
    if isinstance(error, CheckFailed):
        return error
    for cause in _causes(error):
        if isinstance(cause, EgressDenied):
            return CheckFailed(FailureClass.BLOCKED_BY_POLICY, cause.detail, reason=cause.reason, ours=True)
        if isinstance(cause, NameNotResolved):
            return CheckFailed(FailureClass.DNS, cause.detail)
    tls = next((cause for cause in _causes(error) if _is_tls(cause)), None)
    if isinstance(tls, ssl.SSLError | ssl.CertificateError) and not isinstance(
        error, TimeoutError | httpx2.TimeoutException
    ):
        return _tls_failure(tls, host)
    if _ended_in_handshake(error):
        message = f"no TLS connection to {host}: it ends the handshake, perhaps since it knows old protocols only"
        return CheckFailed(FailureClass.TLS, message, reason="handshake")
    named = next((name for name in _NAMED if isinstance(error, name.errors)), None)
    if named is None:
        return None
    words = named.words.format(host=host, why=_os_reason(error), error=_said(error))
    return CheckFailed(named.failure_class, words, reason=named.reason)


def _said(error: BaseException) -> str:
    """The library's words in one line, without the pieces of the answer that some add below it."""
    text = str(getattr(error, "message", None) or error).strip()
    return text.splitlines()[0].rstrip(":") if text else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            yield from current.exceptions
        current = current.__cause__ or current.__context__


def _is_tls(error: BaseException) -> bool:
    """OpenSSL's own error, not the library's that wraps it and knows less."""
    return isinstance(error, ssl.SSLError | ssl.CertificateError) and not isinstance(error, aiohttp.ClientError)


def _ended_in_handshake(error: BaseException) -> bool:
    """The connection was there and went away before TLS was agreed on: asyncio says so without a number."""
    resets = [cause for cause in _causes(error) if isinstance(cause, ConnectionResetError)]
    return isinstance(error, aiohttp.ClientConnectorError) and any(reset.errno is None for reset in resets)


def _os_reason(error: BaseException) -> str:
    """What the system says of it, in its own words and not the library's."""
    numbers = [cause.errno for cause in _causes(error) if isinstance(cause, OSError) and cause.errno]
    return os.strerror(numbers[0]).lower() if numbers else "no connection"


_TLS_REASONS = {
    10: "expired",
    18: "self_signed",
    19: "self_signed",
    20: "unknown_issuer",
    21: "unknown_issuer",
    62: "wrong_host",
    64: "wrong_host",
    23: "revoked",
}
"""OpenSSL's verification codes (X509_V_ERR_…)."""


def _tls_failure(error: ssl.SSLError | ssl.CertificateError, host: str) -> CheckFailed:
    code = getattr(error, "verify_code", None)
    if code is not None:
        message = f"the certificate of {host} is not accepted: {getattr(error, 'verify_message', 'unknown')}"
        return CheckFailed(FailureClass.TLS, message, reason=_TLS_REASONS.get(code, "bad_certificate"))
    detail = str(getattr(error, "reason", "") or error).replace("_", " ").lower()
    return CheckFailed(FailureClass.TLS, f"no TLS connection to {host}: {detail}", reason="handshake")
