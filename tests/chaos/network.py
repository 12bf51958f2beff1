"""The network between our processes and the broker: it can be cut, and it can swallow everything."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from steptrail_common.testing.tcp_proxy import TcpProxy


class Network:
    """Proxies on an event loop of their own; every call waits until it is done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wires: list[TcpProxy] = []

    def between(self, url: str) -> str:
        """The same address through a wire of ours."""
        parts = urlsplit(url)
        wire = TcpProxy(parts.hostname or "", parts.port or 0)
        self._done(wire.start())
        self._wires.append(wire)
        account = f"{parts.username}:{parts.password}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{account}127.0.0.1:{wire.port}"))

    def cut(self) -> None:
        """Every connection breaks at once; new ones are welcome."""
        for wire in self._wires:
            self._loop.call_soon_threadsafe(wire.cut)

    def swallow(self, swallowing: bool) -> None:
        """A black hole: connections stay open and nothing passes."""
        for wire in self._wires:
            self._loop.call_soon_threadsafe(wire.swallow, swallowing)

    def close(self) -> None:
        for wire in self._wires:
            self._done(wire.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _done(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.close()
