"""HTTP/1.1 through aiohttp. Connections come about through the egress policy only, and never through a proxy."""

import re
import ssl
import time
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any, cast

import aiohttp
import httpx2
from aiohttp.connector import Connection
from steptrail_common.egress import EgressPolicy, canonical_host
from yarl import URL

from steptrail_crawler.adapters.guarded_aiohttp import connector_arguments
from steptrail_crawler.adapters.message import CONNECT_SECONDS, Answer, Hop, check_encodings, read_body, sent_headers

MAX_CONNECTIONS = 200
IDLE_SECONDS = 5.0
MAX_HEADER_BYTES = 65_536
MAX_HEADERS = 1000
_LARGE_BYTES = 512 * 1024
"""Bodies above it are sent in pieces, so that the loop stays free."""
_NOT_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself."""


_PLAIN = re.compile(
    r"https?://(?:(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*|(?:[1-9][0-9]{0,2}|0)(?:\.(?:[1-9][0-9]{0,2}|0)){3})(?::[0-9]+)?"
    r"/(?:[A-Za-z0-9._~/?=&,:@!$()*;-]|%[0-9A-F]{2})*"
)
"""Addresses that every library writes in the same way."""


class Http1Wire:
    """Connections of one way to meet servers."""

    def __init__(self, policy: EgressPolicy, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["http/1.1"])
        context.sslobject_class = _Handshake
        self._policy, self._context = policy, context
        self._session: aiohttp.ClientSession | None = None

    async def send(self, hop: Hop) -> Answer:
        """The answer, decoded, cut at the limit. Raises `CheckFailed` and the errors of aiohttp."""
        began = time.monotonic()
        timings: dict[str, float] = {}
        response = await self._opened().request(
            hop.method,
            _address(hop.url),
            headers=sent_headers(hop),
            data=BytesIO(hop.content) if hop.content and len(hop.content) > _LARGE_BYTES else hop.content,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=min(max(hop.deadline - began, 0.001), CONNECT_SECONDS)
            ),
            trace_request_ctx=timings,
        )
        answering = cast(_Answering, response)
        try:
            body, truncated = await _body_of(answering)
        finally:
            answering.close()
        ended = time.monotonic()
        if "connect" in timings and answering.tls is not None:
            timings["tls"] = answering.tls.seconds
            timings["connect"] = max(timings["connect"] - answering.tls.seconds, 0.0)
        timings["first_byte"] = answering.answered_at - answering.sent_at
        timings["body"] = ended - answering.answered_at
        timings["total"] = ended - began
        return _answer(answering, body, truncated, timings)

    async def close(self) -> None:
        """Give back the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session belongs to the running loop, so it is made with the first request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._context,
                    limit=MAX_CONNECTIONS,
                    keepalive_timeout=IDLE_SECONDS,
                    **connector_arguments(self._policy),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                response_class=_Answering,
                skip_auto_headers=_NOT_OURS,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADERS,
                trace_configs=[_connecting()],
            )
        return self._session


class _Handshake(ssl.SSLObject):
    """Knows how long its handshake took."""

    began: float | None = None
    seconds = 0.0

    def do_handshake(self) -> None:
        """Called again for each flight, so the first call counts."""
        if self.began is None:
            self.began = time.monotonic()
        super().do_handshake()
        self.seconds = time.monotonic() - self.began


class _Answering(aiohttp.ClientResponse):
    """Remembers the moments of its beginning, and TLS: a short answer gives its connection back before we could ask."""

    sent_at = answered_at = 0.0
    tls: _Handshake | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """The request is on its way; ends with the headers of the answer."""
        self.sent_at = time.monotonic()
        if connection.transport is not None:
            self.tls = connection.transport.get_extra_info("ssl_object")
        await super().start(connection)
        self.answered_at = time.monotonic()
        return self


def _connecting() -> aiohttp.TraceConfig:
    """Puts `dns` and `connect` (with TLS in it) into the dict of the request that needed a connection."""

    def timings(context: Any) -> dict[str, float]:
        return cast(dict[str, float], context.trace_request_ctx)

    async def began(_session: Any, context: Any, _: Any) -> None:
        context.began = time.monotonic()
        timings(context)["dns"] = 0.0

    async def lookup(_session: Any, context: Any, _: Any) -> None:
        context.looking = time.monotonic()

    async def looked_up(_session: Any, context: Any, _: Any) -> None:
        timings(context)["dns"] = time.monotonic() - context.looking

    async def connected(_session: Any, context: Any, _: Any) -> None:
        timings(context)["connect"] = time.monotonic() - context.began - timings(context)["dns"]

    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(began)
    config.on_dns_resolvehost_start.append(lookup)
    config.on_dns_resolvehost_end.append(looked_up)
    config.on_connection_create_end.append(connected)
    return config


def _address(url: str) -> URL:
    """As httpx2 writes it: what is not allowed in an address is percent-encoded, what is encoded stays as it is.

    Hosts that are numbers in a spelling that aiohttp does not take, such as `127.1`, become the address they reach.
    """
    if _PLAIN.fullmatch(url) and "/." not in url:
        return URL(url, encoded=True)
    written = httpx2.URL(url)
    host = canonical_host(written.host)
    return URL(str(written.copy_with(host=host) if host != written.host else written), encoded=True)


class _Encoded(httpx2.AsyncByteStream):
    """The bytes of an answer as they came, for the decoders of httpx2: they give bombs out in bounded pieces."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.content.iter_any():
            yield part


async def _body_of(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    encodings = ",".join(response.headers.getall("Content-Encoding", ()))
    if not encodings:
        return await read_body(response.content.iter_any())
    check_encodings(encodings)
    decoding = httpx2.Response(200, headers={"Content-Encoding": encodings}, stream=_Encoded(response))
    return await read_body(decoding.aiter_bytes())


def _answer(response: _Answering, body: bytes, truncated: bool, timings: dict[str, float]) -> Answer:
    version = response.version
    return Answer(
        status=response.status,
        reason=response.reason or "",
        http_version=f"HTTP/{version.major}.{version.minor}" if version else "HTTP/1.1",
        url=str(response.url),
        headers=[(name.decode("latin-1").lower(), _value(value)) for name, value in response.raw_headers],
        body=body,
        truncated=truncated,
        timings=timings,
        request_headers=[(name.lower(), value) for name, value in response.request_info.headers.items()],
        certificate=response.tls.getpeercert(binary_form=True) if response.tls is not None else None,
    )


def _value(raw: bytes) -> str:
    """Most is ASCII; some servers send UTF-8, old ones Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
