"""A TCP proxy that can cut, refuse and swallow: what a network does to a connection."""

import asyncio
import contextlib


class TcpProxy:
    """Listens on a free local port and passes bytes to the target until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self.port = 0

    async def start(self) -> None:
        """Listen; after `refuse` on the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every open connection at once; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    async def refuse(self) -> None:
        """Break everything and refuse new connections until `start`."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def swallow(self, swallowing: bool = True) -> None:
        """A black hole: connections stay open, nothing passes."""
        if swallowing:
            self._passing.clear()
        else:
            self._passing.set()

    async def close(self) -> None:
        await self.refuse()
        self.swallow(False)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
