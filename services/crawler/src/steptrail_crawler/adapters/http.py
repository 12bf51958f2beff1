"""HTTP for all kinds of checks: one hop through the egress policy, bodies cut at a limit, failures by name."""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from importlib.metadata import version
from typing import Any

import httpx2
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved, connect_timings

from steptrail_crawler.adapters.tls import TlsOptions
from steptrail_crawler.domain.address import origin

USER_AGENT = f"Steptrail/{version('steptrail-crawler')}"
MAX_BODY_BYTES = 10 * 1024 * 1024
"""Decoded."""
MAX_ENCODINGS = 2
MAX_COOKIES = 50
_ACCEPT_ENCODING = "gzip, deflate, br"
MAX_TRANSPORTS = 50
"""Pools of connections, one for each way of meeting servers: certificates, authorities, HTTP/2."""
_RETIRE_SECONDS = 3600.0
_STRICT, _RELAXED = TlsOptions(), TlsOptions(verify=False)


@dataclass(frozen=True, slots=True)
class Hop:
    """One request to be sent. `deadline`: by the monotonic clock."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    deadline: float
    verify_tls: bool = True
    tls: TlsOptions | None = None
    """More than whether to verify; then it counts instead of `verify_tls`."""


@dataclass(slots=True)
class Answer:
    """One answer. `headers` in order; `truncated`: the body is longer than the limit. Timings in seconds."""

    status: int
    reason: str
    http_version: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    timings: dict[str, float] = field(default_factory=dict)
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    certificate: bytes | None = None
    """Of the server, in DER, over TLS."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers that belong to one origin and never go anywhere else."""

    origin: tuple[str, str, int]
    headers: Mapping[str, str]

    def for_url(self, url: str) -> Mapping[str, str]:
        return self.headers if origin(url) == self.origin else {}


class CookieJar:
    """Cookies for the length of one exchange: kept per host, few, and gone with it."""

    def __init__(self) -> None:
        self._cookies = httpx2.Cookies()

    def for_url(self, url: str) -> dict[str, str]:
        """The `Cookie` header for an address, or nothing."""
        if not len(self._cookies.jar):
            return {}
        request = httpx2.Request("GET", url)
        self._cookies.set_cookie_header(request)
        cookie = request.headers.get("cookie")
        return {"Cookie": cookie} if cookie else {}

    def keep(self, answer: Answer) -> None:
        """Take the cookies of an answer, as long as there is room; those for other domains are refused."""
        cookies = [pair for pair in answer.headers if pair[0].lower() == "set-cookie"][:MAX_COOKIES]
        if cookies and len(self._cookies.jar) < MAX_COOKIES:
            request = httpx2.Request("GET", answer.url)
            self._cookies.extract_cookies(httpx2.Response(answer.status, headers=cookies, request=request))

    def dump(self) -> list[dict[str, Any]]:
        """Everything needed to send them on, as JSON."""
        return [{name: getattr(cookie, name) for name in _COOKIE_FIELDS} for cookie in self._cookies.jar]

    @classmethod
    def of(cls, cookies: Iterable[Mapping[str, Any]]) -> "CookieJar":
        """The jar that `dump` described. Raises KeyError, TypeError for anything else."""
        found = cls()
        for given in list(cookies)[:MAX_COOKIES]:
            known = {name: given[name] for name in _COOKIE_FIELDS}
            found._cookies.jar.set_cookie(Cookie(**known, comment=None, comment_url=None, rest={}))
        return found


_COOKIE_FIELDS = (
    "version", "name", "value", "port", "port_specified", "domain", "domain_specified", "domain_initial_dot", "path",
    "path_specified", "secure", "expires", "discard",
)  # fmt: skip


class HttpClient:
    """Sends single requests. Connections are pooled per way of checking certificates; cookies are not kept."""

    def __init__(self, policy: EgressPolicy) -> None:
        self.policy = policy
        self._transports: OrderedDict[TlsOptions, httpx2.AsyncBaseTransport] = OrderedDict()
        self._retired: set[asyncio.Task[None]] = set()

    async def send(self, hop: Hop) -> Answer:
        """The answer, decoded, cut at `MAX_BODY_BYTES`. Raises `CheckFailed`. Follows nothing."""
        timings: dict[str, float] = {}
        token = connect_timings.set(timings)
        try:
            async with asyncio.timeout(max(hop.deadline - time.monotonic(), 0.001)):
                return await self._send(hop, timings)
        except Exception as error:
            failed = failure_of(error, hop.url)
            if failed is None:
                raise
            raise failed from error
        finally:
            connect_timings.reset(token)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def _transport(self, hop: Hop) -> httpx2.AsyncBaseTransport:
        options = hop.tls or (_STRICT if hop.verify_tls else _RELAXED)
        found = self._transports.get(options)
        if found is None:
            found = self._transports[options] = self.policy.transport(verify=options.context(), http2=options.http2)
            if len(self._transports) > MAX_TRANSPORTS:
                _, oldest = self._transports.popitem(last=False)
                task = asyncio.create_task(_closed_later(oldest))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
        self._transports.move_to_end(options)
        return found

    async def _send(self, hop: Hop, timings: dict[str, float]) -> Answer:
        self.policy.check_url(hop.url)
        stopwatch = _Stopwatch(timings)
        request = httpx2.Request(
            hop.method,
            hop.url,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": _ACCEPT_ENCODING, **hop.headers},
            content=hop.content,
            extensions={"timeout": _timeouts(hop.deadline), "trace": stopwatch.trace},
        )
        response = await self._transport(hop).handle_async_request(request)
        response.request = request
        try:
            body, truncated = await _read(response)
        finally:
            await response.aclose()
        stopwatch.finish()
        return Answer(
            status=response.status_code,
            reason=response.reason_phrase,
            http_version=response.http_version,
            url=str(request.url),
            headers=list(response.headers.multi_items()),
            body=body,
            truncated=truncated,
            timings=timings,
            request_headers=list(request.headers.multi_items()),
            certificate=_certificate(response) if request.url.scheme == "https" else None,
        )


async def _closed_later(transport: httpx2.AsyncBaseTransport) -> None:
    """Requests under way end first: none lasts longer."""
    try:
        await asyncio.sleep(_RETIRE_SECONDS)
    finally:
        await transport.aclose()


def _certificate(response: httpx2.Response) -> bytes | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    found: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    return found


def _timeouts(deadline: float) -> dict[str, float]:
    left = max(deadline - time.monotonic(), 0.001)
    return {"connect": min(left, 10.0), "read": left, "write": left, "pool": left}


async def _read(response: httpx2.Response) -> tuple[bytes, bool]:
    encodings = response.headers.get("content-encoding", "")
    if encodings.count(",") >= MAX_ENCODINGS:
        raise CheckFailed(FailureClass.PROTOCOL, "the answer is compressed many times over", reason="bad_encoding")
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        parts.append(part[: MAX_BODY_BYTES - size])
        size += len(part)
        if size > MAX_BODY_BYTES:
            return b"".join(parts), True
        if len(part) >= 65_536:
            await asyncio.sleep(0)  # a bomb unpacks without any waiting in between
    return b"".join(parts), False


class _Stopwatch:
    """Puts the phases of one request into a dict, from the events of the HTTP library."""

    def __init__(self, timings: dict[str, float]) -> None:
        self._timings = timings
        self._started = time.monotonic()
        self._marks: dict[str, float] = {}

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if event == "connection.start_tls.started":
            self._marks["tls"] = now
        elif event == "connection.start_tls.complete":
            self._timings["tls"] = now - self._marks["tls"]
        elif event.endswith("send_request_headers.started"):
            self._marks["sent"] = now
        elif event.endswith("receive_response_headers.complete"):
            self._timings["first_byte"] = now - self._marks.get("sent", self._started)
            self._marks["body"] = now

    def finish(self) -> None:
        now = time.monotonic()
        self._timings["body"] = now - self._marks.get("body", now)
        self._timings["total"] = now - self._started


def failure_of(error: BaseException, url: str) -> CheckFailed | None:
    """The failure class of what went wrong on the wire; None for what is our own bug."""
    host = origin(url)[1]
    if isinstance(error, CheckFailed):
        return error
    if isinstance(error, EgressDenied):
        return CheckFailed(FailureClass.BLOCKED_BY_POLICY, error.detail, reason=error.reason, ours=True)
    if isinstance(error, NameNotResolved):
        return CheckFailed(FailureClass.DNS, error.detail)
    if isinstance(error, httpx2.ConnectTimeout):
        return CheckFailed(FailureClass.TIMEOUT, f"{host} did not accept a connection in time", reason="connect")
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return CheckFailed(FailureClass.TIMEOUT, f"{host} did not answer in time", reason="read")
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError | ssl.CertificateError)), None)
    if tls is not None:
        return _tls_failure(tls, host)
    if isinstance(error, httpx2.ConnectError):
        return CheckFailed(FailureClass.CONNECT, f"{host} cannot be reached: {_os_reason(error)}")
    if isinstance(error, httpx2.NetworkError):
        return CheckFailed(FailureClass.CONNECT, f"the connection to {host} was lost", reason="connection_lost")
    if isinstance(error, httpx2.DecodingError):
        return CheckFailed(FailureClass.PROTOCOL, f"{host} sent a body that cannot be unpacked", reason="bad_encoding")
    if isinstance(error, httpx2.ProtocolError):
        return CheckFailed(
            FailureClass.PROTOCOL, f"{host} does not speak HTTP properly: {error}", reason="bad_response"
        )
    if isinstance(error, httpx2.InvalidURL):
        return CheckFailed(FailureClass.INVALID_DEFINITION, f"the address is not valid: {error}", reason="bad_url")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            yield from current.exceptions
        current = current.__cause__ or current.__context__


def _os_reason(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return "no connection"


_TLS_REASONS = {
    10: "expired",
    18: "self_signed",
    19: "self_signed",
    20: "unknown_issuer",
    21: "unknown_issuer",
    62: "wrong_host",
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
