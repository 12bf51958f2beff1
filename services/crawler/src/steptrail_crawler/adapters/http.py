"""HTTP for all kinds of checks: one hop through the egress policy, bodies cut at a limit, failures by name.

HTTP/1.1 travels through aiohttp, whose parser is compiled: a check costs little more than its request. HTTP/2 travels
through httpx2. Policy, limits, phases and names of failures are the same on both.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http.cookiejar import Cookie
from typing import Any, Protocol

import httpx2
from steptrail_common.egress import EgressPolicy

from steptrail_crawler.adapters.http2 import Http2Wire
from steptrail_crawler.adapters.message import MAX_BODY_BYTES, USER_AGENT, Answer, Hop
from steptrail_crawler.adapters.tls import TlsOptions
from steptrail_crawler.domain.address import origin

__all__ = ["MAX_BODY_BYTES", "USER_AGENT", "Answer", "CookieJar", "Credentials", "Hop", "HttpClient"]
MAX_COOKIES = 50
MAX_WIRES = 50
"""Pools of connections, one for each way of meeting servers: certificates, authorities, HTTP/2."""
_RETIRE_SECONDS = 3600.0
Pace = Callable[[str, float], Awaitable[None]]
"""Waits until a target (`host:port`) may be asked once more; raises `CheckFailed` when that is not before a moment by
the monotonic clock."""
_STRICT, _RELAXED = TlsOptions(), TlsOptions(verify=False)


class Wire(Protocol):
    """A pool of connections that speak one version of HTTP."""

    async def send(self, hop: Hop) -> Answer:
        """The answer, decoded, cut at `MAX_BODY_BYTES`. Raises `CheckFailed` or an error that `failure_of` knows."""

    async def close(self) -> None:
        """Give back the connections."""


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
        room = MAX_COOKIES - len(self._cookies.jar)
        cookies = [pair for pair in answer.headers if pair[0].lower() == "set-cookie"][:room]
        if cookies:
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
    """Sends single requests, each when its turn has come. Connections are pooled per way of checking certificates;
    cookies are not kept."""

    def __init__(self, policy: EgressPolicy, pace: Pace | None = None) -> None:
        self.policy = policy
        self._pace = pace
        self._wires: OrderedDict[TlsOptions, Wire] = OrderedDict()
        self._retired: set[asyncio.Task[None]] = set()

    async def send(self, hop: Hop) -> Answer:
        """The answer, decoded, cut at `MAX_BODY_BYTES`. Raises `CheckFailed`. Follows nothing."""
        try:
            self.policy.check_url(hop.url)
            waited = await self._turn(hop)
            async with asyncio.timeout(max(hop.deadline - time.monotonic(), 0.001)):
                answer = await self._wire(hop).send(hop)
            answer.waited = waited
            return answer
        except Exception as error:
            from steptrail_crawler.adapters.failures import failure_of

            failed = failure_of(error, hop.url)
            if failed is None:
                raise
            raise failed from error

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()
        self._wires.clear()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    async def _turn(self, hop: Hop) -> float:
        """The seconds waited until the target may be asked."""
        if self._pace is None or not hop.counted:
            return 0.0
        _, host, port = origin(hop.url)
        started = time.monotonic()
        await self._pace(f"{host}:{port}", hop.deadline)
        return time.monotonic() - started

    def _wire(self, hop: Hop) -> Wire:
        options = hop.tls or (_STRICT if hop.verify_tls else _RELAXED)
        found = self._wires.get(options)
        if found is None:
            kind = Http2Wire if options.http2 else http1_wire()
            found = self._wires[options] = kind(self.policy, options.context())
            if len(self._wires) > MAX_WIRES:
                _, oldest = self._wires.popitem(last=False)
                task = asyncio.create_task(_closed_later(oldest))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
        self._wires.move_to_end(options)
        return found


def http1_wire() -> Callable[[EgressPolicy, ssl.SSLContext], Wire]:
    """What speaks HTTP/1.1, loaded at the first request: aiohttp reads all authorities twice while it loads."""
    from steptrail_crawler.adapters.http1 import Http1Wire

    return Http1Wire


async def _closed_later(wire: Wire) -> None:
    """Requests under way end first: none lasts longer."""
    try:
        await asyncio.sleep(_RETIRE_SECONDS)
    finally:
        await wire.close()
