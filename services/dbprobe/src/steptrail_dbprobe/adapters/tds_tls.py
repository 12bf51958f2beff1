"""TLS to a SQL Server, spoken here: TDS hides its handshake inside the first messages of the protocol.

The worker asks the server to encrypt, shakes hands, and only then lets the driver in, whom it tells that nothing is
encrypted on this way. So the certificate is judged as for every other engine, also against an authority of the
connection's own, and what the server answers can be looked at.
"""

import asyncio
import ssl
import struct

from steptrail_dbprobe.domain import tds

_MAX_MESSAGES = 50
"""Of a handshake: it has about four each way."""
_READ_BYTES = 65536


class NotOffered(Exception):
    """The server does not encrypt."""


class TdsTls:
    """The encryption of one connection. First `begin`; then bytes go through, whichever way they travel."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """`context` ends at TLS 1.2: 1.3 goes on after the handshake, which TDS 7 cannot carry."""
        self._from_server, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_server, self._to_server, server_hostname=host)
        self._answer = b""
        self._asked: bytearray | None = bytearray()

    async def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask for encryption and shake hands. Raises `NotOffered`, `ssl.SSLError`, `OSError`, and ValueError for a
        server that speaks something else."""
        try:
            writer.write(tds.packets(tds.PRELOGIN, tds.greeting(tds.ENCRYPT_ON)))
            greeting = await _message(reader)
            if tds.option(greeting, tds.ENCRYPTION) not in (tds.ENCRYPT_ON, tds.REQUIRED):
                raise NotOffered
            self._answer = tds.packets(tds.ANSWER, tds.with_option(greeting, tds.ENCRYPTION, tds.NOT_SUPPORTED))
            await self._shake_hands(reader, writer)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the server closed the connection") from error

    async def _shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(_MAX_MESSAGES):
            done = self._shaken()
            if ours := self._to_server.read():
                writer.write(tds.packets(tds.PRELOGIN, ours))
            if done:
                return
            self._from_server.write(await _message(reader))
        raise ValueError("the server's handshake does not end")

    def _shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def from_driver(self, data: bytes) -> tuple[bytes, bytes]:
        """(for the server, straight back to the driver). The driver's own PRELOGIN goes no further."""
        if self._asked is None:
            return self._encrypted(data), b""
        self._asked += data
        rest = tds.behind_message(self._asked)
        if rest is None:
            return b"", b""
        self._asked = None
        return self._encrypted(rest), self._answer

    def from_server(self, data: bytes) -> bytes:
        """Decrypted. Raises `ssl.SSLError`."""
        self._from_server.write(data)
        found = bytearray()
        while True:
            try:
                part = self._tls.read(_READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                return bytes(found)
            if not part:
                return bytes(found)
            found += part

    def _encrypted(self, data: bytes) -> bytes:
        if data:
            self._tls.write(data)
        return self._to_server.read()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A whole message of the server. Raises ValueError for what is none."""
    body = b""
    for _ in range(_MAX_MESSAGES):
        kind, status, length = struct.unpack(">BBH", (await reader.readexactly(tds.HEADER_BYTES))[:4])
        if kind not in (tds.PRELOGIN, tds.ANSWER) or length < tds.HEADER_BYTES:
            raise ValueError("the server does not speak SQL Server's protocol (TDS)")
        body += await reader.readexactly(length - tds.HEADER_BYTES)
        if status & tds.END_OF_MESSAGE:
            return body
    raise ValueError("the server's first message does not end")
