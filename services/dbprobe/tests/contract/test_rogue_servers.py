"""Servers that are away, lie, flood, fall silent or speak something else; and TLS to the right one."""

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.testing.targets import certificate

from ..conftest import PeakMemory, connection, running_probe

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_VERSION = b"server_version\x0015.0\x00"
READY = b"Z" + struct.pack("!ic", 5, b"I")
AUTHENTICATED = b"R" + struct.pack("!ii", 8, 0) + b"S" + struct.pack("!i", len(_VERSION) + 4) + _VERSION + READY

pytestmark = pytest.mark.req("NFR-008")


@asynccontextmanager
async def rogue(talk: Talk, encryption: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that talks like this, over TLS from the first byte if so; its port."""
    talking: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(talk(reader, writer))  # of our own: a cancelled server task is an error in 3.11
        talking.add(task)
        await asyncio.wait({task})
        task.cancelled() or task.exception()
        talking.discard(task)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=encryption)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        while talking:
            for task in talking:
                task.cancel()
            await asyncio.sleep(0.01)


def at(to_port: int, **more: Any) -> Any:
    settings = {"kind": "postgresql", "host": "127.0.0.1", "port": to_port, "database": "shop", "username": "reader"}
    return connection(settings | {"tls": "disable"} | more)


async def ask(tmp_path: Path, port: int, *, timeout: float = 3.0, **more: Any) -> Any:  # noqa: ASYNC109
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe:
        began = time.monotonic()
        result = await probe.ask(at(port, **more), "select 1 as one", timeout=timeout)
        assert time.monotonic() - began < timeout + 6  # the driver's own goodbyes, on a busy machine
        assert result.failure_class is not FailureClass.INTERNAL, result.message
        return result


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def speaks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def speaks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"\xff" * 1000)
    await writer.drain()
    await asyncio.sleep(60)


async def tells_no_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"R" + struct.pack("!ii", 8, 0) + READY)
    await asyncio.sleep(60)


async def falls_silent_after_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(AUTHENTICATED)
    await asyncio.sleep(60)


async def dribbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    while True:
        writer.write(b"R")
        await writer.drain()
        await asyncio.sleep(0.2)


async def asks_for_an_unknown_sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"R" + struct.pack("!ii", 8, 99))
    await writer.drain()
    await asyncio.sleep(60)


async def floods_with_a_message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One message that claims a gigabyte, and sends it as fast as it is taken."""
    await reader.read(1000)
    writer.write(AUTHENTICATED + b"D" + struct.pack("!i", 1_000_000_000))
    while True:
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def floods_with_notices(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(AUTHENTICATED)
    notice = b"SNOTICE\0C00000\0Mhello" + b"o" * 1000 + b"\0\0"
    message = b"N" + struct.pack("!i", len(notice) + 4) + notice
    while True:
        writer.write(message * 100)
        await writer.drain()


@pytest.mark.req("IR-8")
@pytest.mark.parametrize(
    ("talk", "reason"), [(silent, "connect"), (falls_silent_after_login, "hard_limit"), (dribbles, None)]
)
async def test_a_server_that_never_answers_is_a_timeout(tmp_path: Path, talk: Talk, reason: str | None) -> None:
    """In time, whatever the server holds back; on connecting if it never said a word, as where nothing is there."""
    async with rogue(talk) as port:
        result = await ask(tmp_path, port, timeout=1.5)
    known = (result.failure_class, result.reason, result.ours)
    assert known == (FailureClass.TIMEOUT, reason, False), result.message


@pytest.mark.parametrize(
    "talk",
    [hangs_up, speaks_http, speaks_nonsense, asks_for_an_unknown_sign_in, tells_no_version],
    ids=lambda talk: talk.__name__,
)
async def test_something_else_than_postgresql_is_named(tmp_path: Path, talk: Talk) -> None:
    """`protocol`, `connect`, or a timeout when it leaves us waiting; the target's fault, not ours."""
    async with rogue(talk) as port:
        result = await ask(tmp_path, port, timeout=2)
    assert result.failure_class in (FailureClass.PROTOCOL, FailureClass.CONNECT, FailureClass.TIMEOUT), result.message
    assert not result.ours


@pytest.mark.req("NFR-017")
@pytest.mark.parametrize("talk", [floods_with_a_message, floods_with_notices], ids=lambda talk: talk.__name__)
async def test_a_flood_fills_no_memory(tmp_path: Path, talk: Talk) -> None:
    """The connection is broken when more comes than anybody asked for."""
    peak = PeakMemory()
    async with rogue(talk) as port:
        result = await ask(tmp_path, port, timeout=4)
    assert result.failure_class in (FailureClass.PROTOCOL, FailureClass.TOO_LARGE, FailureClass.TIMEOUT), result.message
    assert peak.grown_mib() < 60


async def test_a_server_that_is_not_there_is_a_connect_failure(tmp_path: Path, unused_tcp_port: int) -> None:
    """Retried by default, the target's."""
    result = await ask(tmp_path, unused_tcp_port)
    assert (result.failure_class, result.ours) == (FailureClass.CONNECT, False), result.message


async def test_a_name_without_address_is_a_dns_failure(tmp_path: Path) -> None:
    """`dns`."""
    async with running_probe(tmp_path) as probe:
        result = await probe.ask(at(5432, host="no-such-host.invalid"), "select 1")
    assert (result.failure_class, result.ours) == (FailureClass.DNS, False), result.message


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "169.254.169.254", "::1", "10.0.0.5"],
)
async def test_forbidden_addresses_are_never_connected_to(tmp_path: Path, host: str) -> None:
    """By any spelling; the policy's own sentence is the message."""
    connected: list[str] = []

    async def notes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append("!")

    async with rogue(notes) as port, running_probe(tmp_path) as probe:
        result = await probe.ask(at(port, host=host), "select 1")
    assert result.failure_class is FailureClass.BLOCKED_BY_POLICY, result.message
    assert connected == []


# --- TLS -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def tls_before(host: str, port: int, pem: Path) -> AsyncIterator[int]:
    """PostgreSQL's own way into TLS (SSLRequest, then a handshake) before a server without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await writer.start_tls(context)
        far_reader, far_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))

    async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    async with rogue(talk) as made:
        yield made


async def through_tls(shop: Any, tmp_path: Path, pem: Path, host: str, tls: str, query: str = "select 1 as one") -> Any:
    server = shop.exception.split(":")
    async with (
        tls_before(server[0], int(server[1]), pem) as port,
        running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe,
    ):
        return await probe.ask(shop.account("reader", host=host, port=port, tls=tls), query, timeout=10)


@pytest.mark.req("NFR-011")
async def test_require_encrypts_without_judging_the_certificate(shop: Any, tmp_path: Path) -> None:
    """Any certificate will do: the default for servers with one of their own."""
    result = await through_tls(shop, tmp_path, certificate(tmp_path, "whatever.example"), "127.0.0.1", "require")
    assert result.ok, result.message


@pytest.mark.req("NFR-011")
async def test_verify_full_accepts_the_right_name(shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the connection is what the certificate must hold, although an address is connected to."""
    pem = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    result = await through_tls(shop, tmp_path, pem, "localhost", "verify-full")
    assert result.ok, result.message


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("fault", ["unknown issuer", "other name", "expired"])
async def test_verify_full_refuses_a_wrong_certificate(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """`tls`, and no password was sent."""
    pem = certificate(
        tmp_path, "other.example" if fault == "other name" else "localhost", days=-1 if fault == "expired" else 1
    )
    if fault != "unknown issuer":
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    result = await through_tls(shop, tmp_path, pem, "localhost", "verify-full")
    assert (result.ok, result.failure_class) == (False, FailureClass.TLS), result.message


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_a_server_without_tls_gets_nothing_unencrypted(shop: Any, tmp_path: Path, tls: str) -> None:
    """No fall back: the server that says no ends it."""
    seen = b""

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        seen += await reader.read(1000)

    async with rogue(refuses) as port:
        result = await ask(tmp_path, port, tls=tls)
    assert (result.failure_class, result.ours) == (FailureClass.TLS, False), result.message
    assert len(seen) == 8


@pytest.mark.req("NFR-017")
async def test_a_huge_cell_inside_tls_is_refused_too(shop: Any, tmp_path: Path) -> None:
    """The limit counts what comes out of the encryption."""
    peak = PeakMemory()
    pem = certificate(tmp_path, "whatever.example")
    result = await through_tls(shop, tmp_path, pem, "127.0.0.1", "require", "select repeat('x', 200000000)")
    assert (result.ok, result.failure_class) == (False, FailureClass.TOO_LARGE), result.message
    assert peak.grown_mib() < 60


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "settings",
    [
        {"host": "/var/run/postgresql"},
        {"host": "db?options=-c x"},
        {"host": "a b"},
        {"port": 0},
        {"port": 70000},
        {"tls": "prefer"},
        {"sslmode": "disable"},
        {"options": "-c default_transaction_read_only=off"},
        {"dsn": "postgresql://postgres@/"},
        {"kind": "sqlite+pysqlite"},
    ],
)
def test_a_connection_is_typed_fields_never_a_free_dsn(settings: dict[str, Any]) -> None:
    """Sockets, options and unknown parameters are refused where the connection is saved."""
    with pytest.raises(ValueError, match=r"validation error"):
        at(5432, **settings)
