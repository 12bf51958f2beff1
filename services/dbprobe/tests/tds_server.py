"""A small SQL Server on a socket: the sign-in of its protocol (MS-TDS 7.4), and answers that a test writes.

It stands in for the server only; the driver that talks to it is the real one.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from steptrail_common.testing.targets import certificate

from .contract.test_rogue_servers import rogue

PRELOGIN, BATCH, RPC, ANSWER, ATTENTION, TRANSACTION, LOGIN = 0x12, 0x01, 0x03, 0x04, 0x06, 0x0E, 0x10
OFF, ON, NOT_SUPPORTED, REQUIRED = 0, 1, 2, 3
_READ_ONLY_INTENT = 0x20
_COLLATION = bytes.fromhex("0904d00034")

Answer = bytes | None
"""Tokens; None: the server is silent until the driver gives up."""


@dataclass
class Login:
    """What a driver said of itself and its account."""

    user: str
    password: str
    application: str
    database: str
    read_only: bool


@dataclass
class SqlServer:
    """`encryption`: what it says to PRELOGIN. `routes_to`: where it sends on whoever signed in. `refuses`: an error
    instead of the sign-in. `answers`: what a batch is answered with."""

    encryption: int = NOT_SUPPORTED
    pem: Path | None = None
    refuses: tuple[int, str] | None = None
    routes_to: tuple[str, int] | None = None
    answers: Callable[[str], Answer] = lambda _: done()
    asked: list[str] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    asked_for_encryption: list[int] = field(default_factory=list)
    attentions: int = 0
    raw: bytes = b""
    """Everything that came in, as it came."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = _Wire(self, reader, writer)
        _, greeting = await wire.message()
        wanted = greeting[_offset(greeting, 1)]
        self.asked_for_encryption.append(wanted)
        wire.send(_greeting(self.encryption), kind=ANSWER)
        if self.encryption in (ON, REQUIRED) or (self.encryption == OFF and wanted == OFF):
            await wire.shake_hands(self.pem)
        _, login = await wire.message()
        self.logins.append(_login(login))
        if self.encryption == OFF:
            wire.tls = None  # the sign-in alone was encrypted
        if self.refuses is not None:
            wire.send(error(*self.refuses) + done(status=2))
            return
        wire.send(_accepted(self.logins[-1], self.routes_to))
        while True:
            kind, body = await wire.message()
            answer = self._answer(kind, body)
            if answer is not None:
                wire.send(answer)

    def _answer(self, kind: int, body: bytes) -> Answer:
        if kind == ATTENTION:
            self.attentions += 1
            return done(status=0x20)
        inner = body[struct.unpack_from("<I", body)[0] :]
        if kind == TRANSACTION:
            request = struct.unpack_from("<H", inner)[0]
            self.asked.append({5: "begin", 7: "commit", 8: "rollback"}.get(request, str(request)))
            number = b"\x08" + bytes(7) + b"\x01"
            return (
                _environment(8, number + b"\x00") + done()
                if request == 5
                else _environment(10, b"\x00" + number) + done()
            )
        text = inner.decode("utf-16-le", "replace")
        if kind == RPC:  # texts begin at odd places as well, between numbers, and some have a byte per character
            text += "\n" + inner[1:].decode("utf-16-le", "replace") + "\n" + inner.decode("latin-1")
        self.asked.append(text)
        return self.answers(text)


class _Wire:
    """Messages to and from one driver, encrypted once hands were shaken."""

    def __init__(self, server: SqlServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._plain = b""
        self.tls: ssl.SSLObject | None = None

    async def message(self) -> tuple[int, bytes]:
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH", (await self._exactly(8))[:4])
            body += await self._exactly(length - 8)
            if status & 1:
                return kind, body

    def send(self, body: bytes, *, kind: int = ANSWER) -> None:
        data = b"".join(
            struct.pack(">BBHHBB", kind, 1 if at + 4000 >= len(body) else 0, len(body[at : at + 4000]) + 8, 0, 1, 0)
            + body[at : at + 4000]
            for at in range(0, max(len(body), 1), 4000)
        )
        if self.tls is not None:
            self.tls.write(data)
            data = self._out.read()
        self._writer.write(data)

    async def shake_hands(self, pem: Path | None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert pem is not None
        context.load_cert_chain(pem)
        tls = context.wrap_bio(self._in, self._out, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if ours := self._out.read():
                    self.send(ours, kind=PRELOGIN)
                self._in.write((await self.message())[1])
            else:
                break
        self.send(self._out.read(), kind=PRELOGIN)
        self.tls = tls

    async def _exactly(self, count: int) -> bytes:
        while len(self._plain) < count:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError
            self._server.raw += data
            self._plain += data if self.tls is None else self._decrypted(data)
        found, self._plain = self._plain[:count], self._plain[count:]
        return found

    def _decrypted(self, data: bytes) -> bytes:
        assert self.tls is not None
        self._in.write(data)
        found = b""
        while True:
            try:
                found += self.tls.read(65536)
            except ssl.SSLWantReadError:
                return found


@asynccontextmanager
async def sql_server(tmp_path: Path, **how: object) -> AsyncIterator[tuple[SqlServer, int]]:
    """The server and its port; its certificate is for `localhost`."""
    server = SqlServer(pem=certificate(tmp_path, "localhost"), **how)  # type: ignore[arg-type]
    async with rogue(server.talk) as port:
        yield server, port


# --- tokens ----------------------------------------------------------------------------------------------------------


def done(*, status: int = 0, rows: int = 0) -> bytes:
    return b"\xfd" + struct.pack("<HHQ", status | (0x10 if rows else 0), 0, rows)


def error(number: int, message: str) -> bytes:
    body = struct.pack("<IBB", number, 1, 14) + struct.pack("<H", len(message)) + message.encode("utf-16-le")
    body += _short("sql") + _short("") + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def table(names: Sequence[str], rows: Sequence[Sequence[int | str | None]]) -> bytes:
    """A result: columns are whole numbers or texts, as their first row is."""
    first = rows[0] if rows else [""] * len(names)
    head = b"\x81" + struct.pack("<H", len(names))
    for name, value in zip(names, first, strict=True):
        kind = b"\x26\x04" if isinstance(value, int) else b"\xe7" + struct.pack("<H", 8000) + _COLLATION
        head += struct.pack("<IH", 0, 1) + kind + _short(name)
    body = b""
    for row in rows:
        body += b"\xd1" + b"".join(_cell(value, like) for value, like in zip(row, first, strict=True))
    return head + body + done(rows=len(rows))


def _cell(value: int | str | None, like: int | str | None) -> bytes:
    if isinstance(like, int):
        return b"\x00" if value is None else b"\x04" + struct.pack("<i", value)
    text = None if value is None else str(value).encode("utf-16-le")
    return b"\xff\xff" if text is None else struct.pack("<H", len(text)) + text


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")


def _environment(kind: int, values: bytes) -> bytes:
    return b"\xe3" + struct.pack("<HB", len(values) + 1, kind) + values


def _accepted(login: Login, routes_to: tuple[str, int] | None) -> bytes:
    tokens = _environment(1, _short(login.database) + _short("master"))
    tokens += _environment(7, b"\x05" + _COLLATION + b"\x00") + _environment(4, _short("4096") + _short("4096"))
    if routes_to is not None:
        host, port = routes_to
        where = struct.pack("<BHH", 0, port, len(host)) + host.encode("utf-16-le")
        tokens += _environment(20, struct.pack("<H", len(where)) + where + b"\x00\x00")
    body = b"\x01" + bytes.fromhex("74000004") + _short("Microsoft SQL Server") + bytes([16, 0, 4, 0])
    return tokens + b"\xad" + struct.pack("<H", len(body)) + body + done()


def _greeting(encryption: int) -> bytes:
    values = ((0, bytes([16, 0, 4, 0, 0, 0])), (1, bytes([encryption])), (2, b"\x00"), (4, b"\x00"))
    at, table = 5 * len(values) + 1, b""
    for option, value in values:
        table += struct.pack(">BHH", option, at, len(value))
        at += len(value)
    return table + b"\xff" + b"".join(value for _, value in values)


def _offset(greeting: bytes, wanted: int) -> int:
    return next(
        int(place)
        for option, place, _ in struct.iter_unpack(">BHH", greeting[: greeting.index(b"\xff") // 5 * 5])
        if option == wanted
    )


def _login(body: bytes) -> Login:
    """LOGIN7 (2.2.6.4): places and lengths of texts from byte 36 on; the password's bits are shuffled."""

    def text(number: int, *, hidden: bool = False) -> str:
        offset, length = struct.unpack_from("<HH", body, 36 + 4 * number)
        raw = body[offset : offset + 2 * length]
        if hidden:
            raw = bytes(((byte ^ 0xA5) << 4 & 0xF0) | ((byte ^ 0xA5) >> 4) for byte in raw)
        return raw.decode("utf-16-le")

    return Login(
        user=text(1),
        password=text(2, hidden=True),
        application=text(3),
        database=text(8),
        read_only=bool(body[26] & _READ_ONLY_INTENT),
    )
