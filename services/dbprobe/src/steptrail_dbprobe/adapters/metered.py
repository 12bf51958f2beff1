"""An event loop for one database connection: counts what comes in, ends a flood, and checks the real name under TLS.

A driver that reads a message of a gigabyte holds a gigabyte, whatever it does with it afterwards. So the bytes are
counted where they arrive, and the connection is broken when there are more than anybody asked for.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any


class Meter:
    """Bytes received so far on one connection, after decryption. `limit` may be moved while it runs."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.received = 0

    @property
    def exceeded(self) -> bool:
        return self.received > self.limit


class _Before:
    """Stands before the driver's protocol and passes everything on to it."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self.inner = inner
        self._meter = meter
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.inner.connection_made(transport)

    def adopt(self, transport: Any) -> "_Before":
        """For a protocol that was told of its connection already."""
        self._transport = transport
        return self

    def eof_received(self) -> Any:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def _counted(self, count: int) -> bool:
        """Whether so many bytes more may come in; if not, the connection is broken."""
        self._meter.received += count
        if self._meter.exceeded:
            self._transport.abort()
        return not self._meter.exceeded


class _Counting(_Before, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        if self._counted(len(data)):
            self.inner.data_received(data)


class _CountingBuffered(_Before, asyncio.BufferedProtocol):
    """For drivers that are read into a buffer of their own."""

    def get_buffer(self, sizehint: int) -> Any:
        return self.inner.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        if self._counted(nbytes):
            self.inner.buffer_updated(nbytes)


def _counting(inner: Any, meter: Meter) -> _Counting | _CountingBuffered:
    return (_CountingBuffered if isinstance(inner, asyncio.BufferedProtocol) else _Counting)(inner, meter)


class _Swapping:
    """A transport that puts the counter before whatever protocol it is given."""

    def __init__(self, transport: Any, meter: Meter) -> None:
        self._transport = transport
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def set_protocol(self, protocol: Any) -> None:
        self._transport.set_protocol(_counting(protocol, self._meter).adopt(self._transport))


class MeteredLoop:
    """The running loop as the driver sees it. `server_name` is checked under TLS, though an address is connected to."""

    def __init__(self, meter: Meter, server_name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._meter = meter
        self._server_name = server_name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Callable[[], Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if kwargs.get("ssl"):
            kwargs["server_hostname"] = self._server_name
        transport, counting = await self._loop.create_connection(
            lambda: _counting(factory(), self._meter), *args, **kwargs
        )
        return _Swapping(transport, self._meter), counting.inner

    async def start_tls(self, transport: Any, protocol: Any, context: ssl.SSLContext, **kwargs: Any) -> Any:
        inner = transport._transport if isinstance(transport, _Swapping) else transport
        secured = await self._loop.start_tls(
            inner, protocol, context, **{**kwargs, "server_hostname": self._server_name}
        )
        return _Swapping(secured, self._meter) if secured is not None else None
