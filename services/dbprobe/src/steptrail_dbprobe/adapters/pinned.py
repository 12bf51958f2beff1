"""A pinned way to a server, for drivers that cannot be told which address to use: they connect to this process.

The host is looked up once, judged, and connected to here; the driver gets a port of this machine that leads there and
nowhere else, whatever the server tells it of other places. TLS is spoken here too, so that one context verifies the
real name and bytes are counted and looked at after decryption.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from steptrail_checks.port import OpenedConnection
from steptrail_common.contracts.connections import DatabaseServer
from steptrail_common.egress import EgressPolicy, Kind

from steptrail_dbprobe.adapters.encryption import context_of
from steptrail_dbprobe.adapters.metered import Meter
from steptrail_dbprobe.adapters.tds_tls import TdsTls
from steptrail_dbprobe.domain.redirects import Watch

LetPass = Callable[[bytes], bool]
"""Sees what the server sends; False ends the connection."""


class _End(asyncio.Protocol):
    """One end of a pipe; what arrives is written to the other."""

    def __init__(self, let_pass: LetPass, lost: Callable[["_End"], None]) -> None:
        self._let_pass, self._lost = let_pass, lost
        self.other: _End | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.other is None:
            transport.pause_reading()

    def join(self, other: "_End") -> None:
        self.other, other.other = other, self
        for end in (self, other):
            if not end.transport.is_closing():
                end.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            return
        if self._let_pass(data):
            self.other.send(data)
        else:
            self.break_off()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def break_off(self) -> None:
        self.transport.abort()
        if self.other is not None:
            self.other.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class _Encrypted(_End):
    """The server's end where TLS is inside its protocol: passes on what was decrypted, sends what was encrypted."""

    def __init__(self, encryption: TdsTls, let_pass: LetPass, lost: Callable[["_End"], None]) -> None:
        super().__init__(let_pass, lost)
        self._encryption = encryption
        self.begun_with: asyncio.StreamWriter | None = None
        """Kept, because a writer that nobody holds closes its transport."""

    def data_received(self, data: bytes) -> None:
        try:
            plain = self._encryption.from_server(data)
        except ssl.SSLError:
            self.break_off()
            return
        if plain:
            super().data_received(plain)

    def send(self, data: bytes) -> None:
        outward, back = self._encryption.from_driver(data)
        if outward:
            self.transport.write(outward)
        if back and self.other is not None:
            self.other.send(back)


class _Pipe:
    """Joins each connection of the driver with one of its own to the server."""

    def __init__(self, connect: Callable[["_Pipe"], Awaitable[_End]], meter: Meter, watch: Watch | None) -> None:
        self._connect, self._meter, self._watch = connect, meter, watch
        self._waiting: list[_End] = []
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """The first connection to the server, so that its failure is told as it is and not through the driver."""
        self._waiting.append(await self._connect(self))

    def near(self) -> _End:
        end = _Near(self)
        self._ends.add(end)
        return end

    def far(self) -> _End:
        end = _End(self._let_pass, self._ends.discard)
        self._ends.add(end)
        return end

    def far_within(self, encryption: TdsTls) -> "_Encrypted":
        end = _Encrypted(encryption, self._let_pass, self._ends.discard)
        self._ends.add(end)
        return end

    def accepted(self, near: _End) -> None:
        if self._waiting:
            near.join(self._waiting.pop())
            return
        task = asyncio.ensure_future(self._joined(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for end in list(self._ends):
            if end.transport is not None:
                end.transport.abort()

    def discard(self, end: _End) -> None:
        self._ends.discard(end)

    async def _joined(self, near: _End) -> None:
        try:
            near.join(await self._connect(self))
        except OSError:
            near.transport.abort()

    def _let_pass(self, data: bytes) -> bool:
        self._meter.received += len(data)
        return not self._meter.exceeded and (self._watch is None or self._watch(data))


class _Near(_End):
    """The driver's end."""

    def __init__(self, pipe: _Pipe) -> None:
        super().__init__(lambda _: True, pipe.discard)
        self._pipe = pipe

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._pipe.accepted(self)


@asynccontextmanager
async def pinned(
    policy: EgressPolicy,
    connection: OpenedConnection,
    meter: Meter,
    *,
    kind: Kind,
    seconds: float,
    timings: dict[str, float],
    watch: Watch | None = None,
    tds: bool = False,
) -> AsyncIterator[int]:
    """The port of 127.0.0.1 that leads to the server, over TLS if the connection says so. The driver connects once.

    `tds`: TLS is not there from the first byte, but inside the protocol of SQL Server.
    Fills `timings`; raises what looking up, the policy, connecting and TLS raise, within `seconds`.
    """
    settings = connection.settings
    assert isinstance(settings, DatabaseServer)  # noqa: S101  (files have no servers)
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    addresses = await policy.resolve(settings.host, settings.port, kind=kind)
    timings["dns"] = time.monotonic() - began
    encryption = context_of(connection, newest=ssl.TLSVersion.TLSv1_2 if tds else ssl.TLSVersion.MAXIMUM_SUPPORTED)

    async def connect(pipe: _Pipe) -> _End:
        for address in addresses:
            try:
                async with asyncio.timeout(seconds / len(addresses)):
                    if tds and encryption is not None:
                        return await _begun(pipe, TdsTls(encryption, settings.host), address, settings.port)
                    _, end = await loop.create_connection(
                        pipe.far,
                        address,
                        settings.port,
                        ssl=encryption,
                        server_hostname=settings.host if encryption else None,
                    )
                    return end
            except OSError:
                if address == addresses[-1]:
                    raise
        raise OSError("the host name has no address")

    pipe = _Pipe(connect, meter, watch)
    try:
        await pipe.prepare()
        timings["connect"] = time.monotonic() - began - timings["dns"]
        server = await loop.create_server(pipe.near, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        pipe.close()


async def _begun(pipe: _Pipe, encryption: TdsTls, address: str, port: int) -> _End:
    """A connection whose handshake is done, in the hands of its end of the pipe."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        await encryption.begin(reader, writer)
    except BaseException:
        writer.transport.abort()
        raise
    end = pipe.far_within(encryption)
    end.begun_with = writer
    writer.transport.set_protocol(end)
    end.connection_made(writer.transport)
    return end
