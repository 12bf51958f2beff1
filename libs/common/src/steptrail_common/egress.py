"""Where Steptrail may connect to on behalf of users: one policy for pages, APIs, webhooks, files and databases.

The order of things is what makes it safe: a name is looked up once, every address found is judged, and the
connection goes to a judged address, never to the name again. Whatever spelling the address came in
(decimal, octal, IPv4 inside IPv6, 6to4, NAT64, Teredo), the address it reaches is what is judged.

EgressDenied        the policy says no; the text names the setting that would allow it, where one would
NameNotResolved     the name has no address
"""

import asyncio
import contextvars
import ipaddress
import re
import socket
import ssl
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import httpcore2
import httpx2

from steptrail_common.addresses import Address, BadAddress, Network, canonical, embedded, literal_of
from steptrail_common.errors import ConfigurationError, SteptrailError

Kind = Literal["http", "postgresql", "mysql", "mssql", "oracle", "mongodb", "smtp", "sftp", "ldap", "tcp"]
Resolver = Callable[[str, int], Awaitable[list[str]]]

ALLOW_SETTING = "STEPTRAIL_EGRESS_ALLOW"
EXCEPTIONS_SETTING = "STEPTRAIL_EGRESS_EXCEPTIONS"
MAX_URL_CHARACTERS = 8192
CONNECT_SECONDS = 10.0
_REMEMBERED_URLS = 256
"""Addresses found harmless as they are written, which depends on nothing but the rules; each check asks twice."""

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local: AWS, Azure, Google, OpenStack, ECS
        "fe80::/10",
        "fd00:ec2::/32",  # AWS over IPv6
        "fd20:ce::254/128",  # Google over IPv6
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "168.63.129.16/32",  # Azure wire server
    )
)
_NEVER = tuple(ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"))
_LOOPBACK = tuple(ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128"))

_PORTS_OF_KIND: dict[str, frozenset[int]] = {
    "http": frozenset(),
    "postgresql": frozenset({5432, 6432}),
    "mysql": frozenset({3306}),
    "mssql": frozenset({1433}),
    "oracle": frozenset({1521, 2484}),
    "mongodb": frozenset({27017, 27018, 27019}),
    "smtp": frozenset({25, 465, 587}),
    "sftp": frozenset({22}),
    "ldap": frozenset({389, 636}),
}
_OWN_PORTS_ONLY = frozenset({"smtp"})
"""Kinds that go to the ports above and to those an administrator opened by name, to no others."""
_SERVICE_PORTS = frozenset(
    # Other protocols, which an HTTP request must not be smuggled to: mail, shells, directories, databases, brokers.
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109}
    | {110, 111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515}
    | {526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1434, 1521, 1719}
    | {1720, 1723, 2049, 2375, 2376, 2379, 2380, 2484, 2525, 3306, 3389, 3659, 4045, 4369, 5060, 5061, 5432, 5671}
    | {5672, 6000, 6379, 6432, 6443, 6566, 10250, 10255, 11211, 25672, 27017, 27018, 27019}
)


_PORTS_OF_KIND["tcp"] = _SERVICE_PORTS
"""A check that only connects, or speaks a protocol of its own, smuggles nothing into another one."""


class EgressDenied(SteptrailError):
    """The policy forbids this address. `reason` is `egress_denied`, `port_denied`, `scheme_denied` or `bad_url`."""

    status, title, slug = 422, "Address not allowed", "egress-denied"

    def __init__(self, detail: str, *, reason: str = "egress_denied") -> None:
        super().__init__(detail)
        self.reason = reason


class NameNotResolved(SteptrailError):
    """The host name has no address (or the name service did not answer)."""

    status, title, slug, permanent = 422, "Name not found", "name-not-resolved", False


@dataclass(frozen=True, slots=True)
class _Rule:
    network: Network
    port: int | None

    def covers(self, address: Address, port: int) -> bool:
        return address in self.network and self.port in (None, port)


async def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of a name, in the system's order of preference."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except (OSError, UnicodeError) as error:
        raise NameNotResolved(f"the host name {host!r} has no address") from error
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class EgressPolicy:
    """Immutable; one object per process, shared by everything that connects for users."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        exceptions: Sequence[str] = (),
        deny: Sequence[str] = (),
        resolver: Resolver = system_resolver,
    ) -> None:
        """`allow`: `CIDR`, `CIDR:port` or `ip:port` of private networks (IPv6 with a port in brackets).

        `exceptions`: exact `ip:port` that may be reached even on loopback. `deny`: more that is never reached, in the
        syntax of `allow`: the installation's own services. Raises `ConfigurationError` for anything else.
        """
        self._allow = tuple(_parse_rule(text) for text in allow)
        self._exceptions = tuple(_parse_exception(text) for text in exceptions)
        self._deny = tuple(_parse_rule(text) for text in deny)
        self._resolver = resolver
        self._opened_ports = {rule.port for rule in self._allow + self._exceptions if rule.port is not None}
        self._allowed_url = lru_cache(maxsize=_REMEMBERED_URLS)(self._check_url)

    def check_url(self, url: str) -> SplitResult:
        """What can be judged without looking anything up. Raises `EgressDenied`; returns the parts."""
        return self._allowed_url(url)

    def _check_url(self, url: str) -> SplitResult:
        if len(url) > MAX_URL_CHARACTERS:
            raise EgressDenied(f"the address is longer than {MAX_URL_CHARACTERS} characters", reason="bad_url")
        plain = url.isascii() and url.isprintable() and " " not in url
        if not plain and any(_hostile(character) for character in url):
            raise EgressDenied(
                "the address holds blanks, control or direction characters: write them percent-encoded",
                reason="bad_url",
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise EgressDenied(f"the address cannot be read: {error}", reason="bad_url") from error
        if parts.scheme not in ("http", "https"):
            raise EgressDenied(
                f"only http:// and https:// addresses are fetched, not {parts.scheme or 'one without a scheme'!r}",
                reason="scheme_denied",
            )
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise EgressDenied(
                "the address holds a user name or password: save them as secrets of a connection", reason="bad_url"
            )
        if not parts.hostname or "\\" in url or "%" in parts.netloc:
            raise EgressDenied("the address names no valid host", reason="bad_url")
        port = port or (443 if parts.scheme == "https" else 80)
        self._check_port(parts.hostname, port, "http", self._opened_ports)
        _refuse_metadata_name(parts.hostname)
        if literal := _literal(parts.hostname):  # libraries read numbers in ways of their own
            self._judge(parts.hostname, canonical(str(literal)), port, "http")
        return parts

    async def resolve(self, host: str, port: int, *, kind: Kind = "http") -> list[str]:
        """The judged addresses of a host: connect to these, never to the name.

        Raises `EgressDenied` when any address is forbidden, `NameNotResolved` when there is none.
        """
        bare = host.strip("[]").rstrip(".").lower()
        _refuse_metadata_name(host)
        literal = _literal(bare)
        found = [str(literal)] if literal else await self._resolver(bare, port)
        addresses = [canonical(text) for text in found]
        if not addresses:
            raise NameNotResolved(f"the host name {host!r} has no address")
        excepted = [address for address in addresses if self._is_excepted(address, port)]
        if excepted and all(_in(address, _LOOPBACK) for address in addresses):
            return [str(address) for address in excepted]  # `localhost` is ::1 too, the exception names one of both
        for address in addresses:
            self._judge(host, address, port, kind)
        return [str(address) for address in addresses]

    def transport(self, *, verify: ssl.SSLContext | bool = True, http2: bool = False) -> httpx2.AsyncBaseTransport:
        """An httpx2 transport that connects to judged addresses only. It pools connections and follows no redirects.

        `verify`: False accepts any certificate (a visible choice of the step or connection).
        """
        return _PolicyTransport(self, verify, http2)

    def check_address(self, address: str, port: int, *, kind: Kind = "http") -> None:
        """Judge one address right before a library connects to it. Raises `EgressDenied`."""
        self._judge(address, canonical(address), port, kind)

    def _judge(self, host: str, address: Address, port: int, kind: Kind) -> None:
        if self._is_excepted(address, port):
            return
        for reached in (address, *embedded(address)):
            self._judge_one(host, reached, port)
        opened = {port for rule in self._allow if rule.port == port and rule.covers(address, port)}
        self._check_port(host, port, kind, opened)

    def _judge_one(self, host: str, address: Address, port: int) -> None:
        shown = host if host.strip("[]") == str(address) else f"{host} ({address})"
        if _in(address, _METADATA):
            raise EgressDenied(f"{shown} is a link-local or cloud metadata address, which is never reached")
        if _in(address, _NEVER):
            raise EgressDenied(f"{shown} is an unspecified, multicast or reserved address, which is never reached")
        if _in(address, _LOOPBACK):
            raise EgressDenied(
                f"{shown} is this machine itself; an administrator can allow exactly {address}:{port} "
                f"in {EXCEPTIONS_SETTING}"
            )
        if any(rule.covers(address, port) for rule in self._deny):
            raise EgressDenied(f"{shown}:{port} belongs to this installation, which never checks itself")
        if not address.is_global and not any(rule.covers(address, port) for rule in self._allow):
            raise EgressDenied(
                f"{shown} is in a private network that is not allowed; an administrator can allow it with "
                f"{ALLOW_SETTING}, for example {_example_rule(address, port)}"
            )

    def _is_excepted(self, address: Address, port: int) -> bool:
        return any(rule.covers(address, port) for rule in self._exceptions)

    def _check_port(self, host: str, port: int, kind: Kind, opened: Iterable[int | None]) -> None:
        if not 0 < port <= 65535:
            raise EgressDenied(f"{port} is no port", reason="bad_url")
        if port in _PORTS_OF_KIND[kind] or port in opened:
            return
        if kind in _OWN_PORTS_ONLY:
            usual = ", ".join(map(str, sorted(_PORTS_OF_KIND[kind])))
            raise EgressDenied(
                f"port {port} of {host} is none of {kind} ({usual}); an administrator can allow it with "
                f"{ALLOW_SETTING}, written with its port",
                reason="port_denied",
            )
        if port in _SERVICE_PORTS:
            raise EgressDenied(
                f"port {port} of {host} belongs to another protocol than {kind}; an administrator can allow it with "
                f"{ALLOW_SETTING}, written with its port",
                reason="port_denied",
            )


connect_timings: contextvars.ContextVar[dict[str, float] | None] = contextvars.ContextVar(
    "connect_timings", default=None
)
"""A dict to put the seconds of `dns` and `connect` into; absent keys mean that a pooled connection was used."""


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Looks up, judges and connects: the only way an HTTP connection comes about."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.AsyncNetworkStream:
        limit = CONNECT_SECONDS if timeout is None else timeout
        started = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                addresses = await self._policy.resolve(host, port, kind="http")
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"looking up {host} took longer than {limit:g} s") from error
        looked_up = time.monotonic()
        stream = await self._first(addresses, port, limit - (looked_up - started), socket_options)
        if (timings := connect_timings.get()) is not None:
            timings["dns"] = looked_up - started
            timings["connect"] = time.monotonic() - looked_up
        return stream

    async def _first(
        self, addresses: Sequence[str], port: int, seconds: float, socket_options: Any
    ) -> httpcore2.AsyncNetworkStream:
        """The first address that answers; each gets an equal share of the time left."""
        share = max(seconds, 0.1) / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout=share, socket_options=socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._network.connect_tcp(addresses[-1], port, timeout=share, socket_options=socket_options)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:  # noqa: ASYNC109
        raise EgressDenied("unix sockets are never reached", reason="scheme_denied")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _PolicyTransport(httpx2.AsyncHTTPTransport):
    """httpx2's own transport over a pool whose connections come from `_CheckedBackend`. No proxies, no environment."""

    def __init__(self, policy: EgressPolicy, verify: ssl.SSLContext | bool, http2: bool) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(verify=verify, trust_env=False),
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=5.0,
            network_backend=_CheckedBackend(policy),
            http2=http2,
        )
        self._policy = policy

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._policy.check_url(str(request.url))
        return await super().handle_async_request(request)


def _hostile(character: str) -> bool:
    """Blanks, control, format (direction, zero width), surrogate and line separator characters."""
    return character == " " or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _refuse_metadata_name(host: str) -> None:
    if host.strip("[]").rstrip(".").lower() in _METADATA_NAMES:
        raise EgressDenied(f"{host} is a cloud metadata service, which is never reached")


def _literal(host: str) -> Address | None:
    """The address a host spells; None for a name. Raises `EgressDenied` for what is neither."""
    try:
        return literal_of(host)
    except BadAddress as error:
        raise EgressDenied(str(error), reason="bad_url") from error


def canonical_host(host: str) -> str:
    """A host that is a number, in any spelling, as the address it reaches; names stay as they are."""
    found = _literal(host.strip("[]"))
    return str(found) if found is not None else host


def _example_rule(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def _parse_rule(text: str) -> _Rule:
    network, port = text.strip(), None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", network)
    if bracketed:
        network, port = bracketed[1], bracketed[2]
    elif network.count(":") == 1:
        network, port = network.split(":")
    try:
        rule = _Rule(ipaddress.ip_network(network), int(port) if port is not None else None)
    except ValueError as error:
        raise ConfigurationError(
            f"the egress rule {text!r} is wrong ({error}): write 10.20.0.0/16, 10.20.0.0/16:8080, 10.20.1.5:8080 "
            "or [fd12::/64]:8080"
        ) from error
    if rule.port is not None and not 0 < rule.port <= 65535:
        raise ConfigurationError(f"the egress rule {text!r} names no valid port")
    return rule


def _parse_exception(text: str) -> _Rule:
    rule = _parse_rule(text)
    if rule.port is None or rule.network.num_addresses != 1:
        raise ConfigurationError(f"the egress exception {text!r} must be one address with its port: 127.0.0.1:8090")
    if _in(rule.network.network_address, _METADATA + _NEVER):
        raise ConfigurationError(f"the egress exception {text!r} names an address that is never reached")
    return rule
