"""Servers that are away, lie, flood or fall silent, asked through the real driver of every other engine.

For SQL Server and Oracle this is what runs without a server of theirs: the driver's own protocol layer against sockets.
"""

import time
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass

from ..conftest import PeakMemory, connection, running_probe
from .test_rogue_servers import Talk, hangs_up, rogue, silent, speaks_http, speaks_nonsense

pytestmark = [pytest.mark.req("NFR-008"), pytest.mark.req("NFR-012")]

SETTINGS: dict[str, dict[str, Any]] = {
    "mysql": {"database": "shop", "username": "reader"},
    "mssql": {"database": "shop", "username": "reader"},
    "oracle": {"service_name": "shop", "username": "reader"},
    "mongodb": {"database": "shop", "username": "reader"},
}


def at(kind: str, port: int, **more: Any) -> Any:
    return connection({"kind": kind, "host": "127.0.0.1", "port": port, "tls": "disable", **SETTINGS[kind], **more})


def question(kind: str) -> dict[str, Any]:
    return {"documents": {"collection": "orders"}} if kind == "mongodb" else {"query": "select 1 as one"}


async def ask(tmp_path: Path, kind: str, port: int, *, timeout: float = 2.0, **more: Any) -> Any:  # noqa: ASYNC109
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe:
        began = time.monotonic()
        result = await probe.ask(at(kind, port, **more), timeout=timeout, **question(kind))
        assert time.monotonic() - began < timeout + 6
        if result.reason == "driver_missing":
            pytest.skip(result.message or "")
        assert result.failure_class is not FailureClass.INTERNAL, result.message
        assert "127.0.0.1:" not in (result.message or ""), "the pinned way tells people nothing"
        return result


@pytest.mark.req("IR-8")
@pytest.mark.parametrize("kind", SETTINGS)
async def test_a_server_that_never_answers_is_a_timeout_on_connecting(tmp_path: Path, kind: str) -> None:
    """In time, and the target's; so an incident does not tell it from a server that is not there."""
    async with rogue(silent) as port:
        result = await ask(tmp_path, kind, port, timeout=1.0)
    reason = "hard_limit" if kind == "mssql" else "connect"  # that driver counts whole seconds
    known = (result.failure_class, result.reason, result.ours)
    assert known == (FailureClass.TIMEOUT, reason, False), result.message


@pytest.mark.parametrize("talk", [hangs_up, speaks_http, speaks_nonsense], ids=lambda talk: talk.__name__)
@pytest.mark.parametrize("kind", SETTINGS)
async def test_something_else_than_the_engine_is_named(tmp_path: Path, kind: str, talk: Talk) -> None:
    """`protocol`, `connect`, or a timeout when it leaves us waiting; the target's fault, not ours."""
    async with rogue(talk) as port:
        result = await ask(tmp_path, kind, port)
    assert result.failure_class in (FailureClass.PROTOCOL, FailureClass.CONNECT, FailureClass.TIMEOUT), result.message
    assert not result.ours


@pytest.mark.parametrize("kind", SETTINGS)
async def test_a_server_that_is_not_there_is_a_connect_failure(tmp_path: Path, kind: str, unused_tcp_port: int) -> None:
    """Retried by default, the target's."""
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{unused_tcp_port}"]) as probe:
        result = await probe.ask(at(kind, unused_tcp_port), **question(kind))
    assert (result.failure_class, result.ours) == (FailureClass.CONNECT, False), result.message


@pytest.mark.req("NFR-017")
@pytest.mark.parametrize("kind", SETTINGS)
async def test_a_flood_fills_no_memory(tmp_path: Path, kind: str) -> None:
    """One message that claims all it can, sent as fast as it is taken."""

    async def floods(reader: Any, writer: Any) -> None:
        header = {"mongodb": (1_000_000_000).to_bytes(4, "little")}.get(kind, b"\xff\xff\xff\x00")
        writer.write(header)
        while True:
            writer.write(b"\x0a" * 1_000_000)
            await writer.drain()

    peak = PeakMemory()
    async with rogue(floods) as port:
        result = await ask(tmp_path, kind, port)
    assert result.failure_class in (
        FailureClass.PROTOCOL,
        FailureClass.TOO_LARGE,
        FailureClass.TIMEOUT,
        FailureClass.CONNECT,
    )
    assert peak.grown_mib() < 80


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "169.254.169.254", "::1", "10.0.0.5"])
async def test_forbidden_addresses_are_never_connected_to(tmp_path: Path, kind: str, host: str) -> None:
    """By any spelling; the policy's own sentence is the message."""
    connected: list[str] = []

    async def notes(reader: Any, writer: Any) -> None:
        connected.append("!")

    async with rogue(notes) as port, running_probe(tmp_path) as probe:
        result = await probe.ask(at(kind, port, host=host), **question(kind))
    assert result.failure_class is FailureClass.BLOCKED_BY_POLICY, result.message
    assert connected == []


async def test_an_oracle_listener_that_sends_us_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """The pinned way sees the redirect before the driver does."""
    elsewhere: list[str] = []

    async def notes(reader: Any, writer: Any) -> None:
        elsewhere.append("!")

    async with rogue(notes) as other:

        async def redirects(reader: Any, writer: Any) -> None:
            await reader.read(1000)
            where = f"(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT={other}))".encode()
            body = len(where).to_bytes(2, "big") + where
            writer.write((8 + len(body)).to_bytes(2, "big") + b"\x00\x00\x05\x00\x00\x00" + body)
            await writer.drain()
            await reader.read(1000)

        async with rogue(redirects) as port:
            result = await ask(tmp_path, "oracle", port)
    assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "redirected"), result.message
    assert elsewhere == []


async def test_a_password_is_not_sent_in_clear_text(tmp_path: Path) -> None:
    """A MySQL server that asks for it, without TLS, gets nothing."""
    seen = b""

    async def asks_for_the_password(reader: Any, writer: Any) -> None:
        nonlocal seen
        greeting = b"\x0a8.0.0\x00" + b"\x01\x00\x00\x00" + b"12345678\x00" + b"\xff\xf7" + b"\x2d" + b"\x02\x00"
        greeting += b"\xff\x80" + b"\x15" + b"\x00" * 10 + b"123456789012\x00" + b"mysql_native_password\x00"
        writer.write(len(greeting).to_bytes(3, "little") + b"\x00" + greeting)
        await reader.read(1000)
        switch = b"\xfemysql_clear_password\x00"
        writer.write(len(switch).to_bytes(3, "little") + b"\x02" + switch)
        await writer.drain()
        seen += await reader.read(1000)

    async with rogue(asks_for_the_password) as port:
        result = await ask(tmp_path, "mysql", port)
    assert (result.failure_class, result.reason) == (FailureClass.AUTH, "password_in_clear"), result.message
    assert b"canary" not in seen
