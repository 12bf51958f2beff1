"""How requests between our services travel: HTTP/1.1 by aiohttp, whose parser is compiled.

httpx2's own pool looks at every idle connection with each request and each answer; at a hundred requests a moment that
was a fifth of the gateway's work.
"""

import functools
from collections.abc import AsyncIterator

import aiohttp
import httpx2
from yarl import URL

KEPT_SECONDS = 4.0
"""Connections rest for so long at most: less than the five seconds after which our servers close theirs."""
MOST_CONNECTIONS = 100
_PIECE_BYTES = 64 * 1024
_FRAMED_BY_US = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that aiohttp writes itself."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends what an `httpx2.AsyncClient` is asked for. Redirects, cookies and coded bodies are left to the client.

    A connection that cannot be made is tried once more. What goes wrong is raised as httpx2's own errors.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        limits = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=limits.get("pool"),
            sock_connect=limits.get("connect"),
            sock_read=limits.get("read"),
        )
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in _FRAMED_BY_US]
        body = await request.aread()
        wanted = functools.partial(
            self._opened().request,
            request.method,
            URL(str(request.url), encoded=True),
            data=body or None,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            try:
                answer = await wanted()
            except aiohttp.ClientConnectorError:
                answer = await wanted()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _as_ours(error, request) from error
        return httpx2.Response(
            answer.status, headers=list(answer.raw_headers), stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """Made at the first request, inside the event loop it belongs to."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEPT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, read as it is wanted."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_chunked(_PIECE_BYTES):
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _as_ours(error, self._request) from error

    async def aclose(self) -> None:
        # What was read to its end has given its connection back already; of anything else nobody knows where it stands.
        self._answer.close()


def _as_ours(error: Exception, request: httpx2.Request) -> httpx2.TransportError:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectError(str(error), request=request)
    if isinstance(error, TimeoutError):
        return httpx2.ReadTimeout(str(error) or "the answer took too long", request=request)
    return httpx2.ReadError(str(error), request=request)
