"""The only way out of a browser: a small HTTP proxy on loopback that looks up, judges and connects by the policy.

Every request of a page passes here: documents, pictures, scripts, redirects, web sockets, workers. One proxy belongs
to one check, so what was refused and how much was loaded is known per check. Chromium neither looks up names nor
connects by itself.
"""

import asyncio
import re
from contextlib import suppress

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved

from steptrail_crawler.domain.address import origin

MAX_TRAFFIC_BYTES = 100 * 1024 * 1024
"""What one check may load through its browser, before decoding."""
MAX_HEAD_BYTES = 256 * 1024
"""Of a request or an answer: what Chromium itself reads (`kMaxHeaderBufSize`)."""
CONNECT_SECONDS = 10.0
REFUSAL_HEADER = "x-steptrail-refused"
"""Marks answers that come from here and not from the site."""
_CHUNK = 65_536
_OURS = re.compile(rb"(?i)(?:proxy-[^:]*|connection|keep-alive):")
_TUNNEL = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):(?P<port>[0-9]{1,5})\Z")


class FilterProxy:
    """One check's way out. Use as a context; `port` is on 127.0.0.1."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.troubles: dict[tuple[str, int], CheckFailed] = {}
        """Why a host could not be reached, by (host, port)."""
        self.loaded_bytes = 0
        self.port = 0

    async def __aenter__(self) -> "FilterProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def overflowed(self) -> bool:
        """Whether the check has loaded more than it may; nothing comes through any more then."""
        return self.loaded_bytes > MAX_TRAFFIC_BYTES

    def trouble_of(self, url: str) -> CheckFailed | None:
        """Why an address could not be reached, if it was not."""
        _, host, port = origin(url)
        return self.troubles.get((host, port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError):
            pass  # the browser went away, or did not speak HTTP
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *fields = head[:-4].split(b"\r\n")
        method, target, _ = first.decode("latin-1").split(" ")
        tunnel = method == "CONNECT"
        host, port = "", 0
        try:
            host, port = self._judged(target, tunnel)
            upstream = await self._connected(host, port)
        except CheckFailed as failed:
            self.troubles.setdefault((host.strip("[]").lower(), port), failed)
            status = "403 Forbidden" if failed.failure_class is FailureClass.BLOCKED_BY_POLICY else "502 Bad Gateway"
            writer.write(f"HTTP/1.1 {status}\r\n{REFUSAL_HEADER}: 1\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        up_reader, up_writer = upstream
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                up_writer.write(_request_head(method, target, fields))
            await self._relay(reader, writer, up_reader, up_writer, heads=not tunnel)
        finally:
            up_writer.close()

    def _judged(self, target: str, tunnel: bool) -> tuple[str, int]:
        """(host, port) as far as the address alone tells. Raises `CheckFailed`."""
        if self.overflowed:
            raise CheckFailed(FailureClass.TOO_LARGE, "the page loads too much", reason="too_large")
        named = _TUNNEL.match(target) if tunnel else None
        if tunnel and named is None:
            raise CheckFailed(FailureClass.BLOCKED_BY_POLICY, "not a host and port", reason="bad_url", ours=True)
        url = f"https://{target}/" if tunnel else target
        try:
            parts = self._policy.check_url(url)
        except EgressDenied as error:
            host, port = (named["host"], int(named["port"])) if named is not None else origin(target)[1:]
            self._refuse(host, port, error)
            raise _denied(error) from error
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def _refuse(self, host: str, port: int, error: EgressDenied) -> None:
        self.troubles.setdefault((host.strip("[]").lower(), port), _denied(error))

    async def _connected(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first judged address that answers. Raises `CheckFailed`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await self._policy.resolve(host, port, kind="http")
                return await _first(addresses, port)
        except EgressDenied as error:
            raise _denied(error) from error
        except NameNotResolved as error:
            raise CheckFailed(FailureClass.DNS, error.detail) from error
        except TimeoutError as error:
            raise CheckFailed(
                FailureClass.TIMEOUT, f"{host} did not accept a connection in time", reason="connect"
            ) from error
        except OSError as error:
            why = "connection refused" if isinstance(error, ConnectionRefusedError) else "no connection"
            raise CheckFailed(FailureClass.CONNECT, f"{host} cannot be reached: {why}") from error

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        *,
        heads: bool,
    ) -> None:
        """Both directions until the answer is over. What the browser sends more goes to the same judged address.

        `heads`: the answer is not within a tunnel, and its head can be written again.
        """
        upward = asyncio.ensure_future(_pump(reader, up_writer))
        try:
            if heads:
                await self._relay_head(writer, up_reader)
            while data := await up_reader.read(_CHUNK):
                self.loaded_bytes += len(data)
                if self.overflowed:
                    break
                writer.write(data)
                await writer.drain()
        finally:
            upward.cancel()
            await asyncio.gather(upward, return_exceptions=True)

    async def _relay_head(self, writer: asyncio.StreamWriter, up_reader: asyncio.StreamReader) -> None:
        """The answer's head, with the word that nothing follows on this connection.

        A server need not obey our `Connection: close`; a browser that is not told would send its next request, which
        may be for another host, into the old connection.
        """
        final = False
        while not final:
            head = await up_reader.readuntil(b"\r\n\r\n")
            self.loaded_bytes += len(head)
            final = not re.match(rb"HTTP/1\.[01] 1\d\d\b", head)
            writer.write(_answer_head(head) if final else head)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _first(addresses: list[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(address, port, limit=MAX_HEAD_BYTES)
    return await asyncio.open_connection(addresses[-1], port, limit=MAX_HEAD_BYTES)


def _request_head(method: str, target: str, fields: list[bytes]) -> bytes:
    """The request as its server expects it. One request per connection: the next may be for another host."""
    _, _, rest = target.partition("://")
    slash = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[slash:] if rest[slash : slash + 1] == "/" else f"/{rest[slash:]}"
    kept = [field for field in fields if not _OURS.match(field)]
    return b"\r\n".join([f"{method} {path} HTTP/1.1".encode("latin-1"), *kept, b"Connection: close", b"", b""])


def _answer_head(head: bytes) -> bytes:
    status, *fields = head[:-4].split(b"\r\n")
    kept = [field for field in fields if not _OURS.match(field)]
    return b"\r\n".join([status, *kept, b"Connection: close", b"", b""])


def _denied(error: EgressDenied) -> CheckFailed:
    return CheckFailed(FailureClass.BLOCKED_BY_POLICY, error.detail, reason=error.reason, ours=True)
