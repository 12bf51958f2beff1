"""What the real driver for Oracle says to a listener, and what becomes of its answers.

The listener is the tests' own and speaks the outer protocol (Oracle Net) only: what follows, the sign-in and the
statements, needs a real database; see `docs/howto/databases.md`.
"""

import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.testing.targets import certificate, public_part

from ..conftest import connection, running_probe
from .test_rogue_servers import Talk, rogue

pytestmark = pytest.mark.req("IR-1")
REFUSE = 4


def at(port: int, **more: Any) -> Any:
    settings = {"kind": "oracle", "host": "localhost", "port": port, "service_name": "erp", "username": "reader"}
    return connection({**settings, "tls": "disable", **more})


async def ask(tmp_path: Path, port: int, **more: Any) -> Any:
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe:
        result = await probe.ask(at(port, **more), "select * from orders", timeout=4.0)
        assert result.failure_class is not FailureClass.INTERNAL, result.message
        assert "127.0.0.1" not in (result.message or "")
        return result


class Listener:
    """Takes connect requests and answers them with one packet. `heard`: what the driver asked for."""

    def __init__(self, answer: bytes) -> None:
        self.heard = b""
        self._answer = answer

    @property
    def talk(self) -> Talk:
        return self._talk

    async def _talk(self, reader: Any, writer: Any) -> None:
        self.heard += await reader.readexactly(8) + await reader.read(4000)
        writer.write(self._answer)
        await writer.drain()
        self.heard += await reader.read(4000)


def refusal(code: int) -> bytes:
    text = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))".encode()
    body = struct.pack(">BBH", 0, 0, len(text)) + text
    return struct.pack(">HHBBH", 8 + len(body), 0, REFUSE, 0, 0) + body


async def test_the_listener_is_asked_for_the_service_by_a_named_program(tmp_path: Path) -> None:
    """What an administrator of the target finds in the listener's log; no password is among it."""
    listener = Listener(refusal(12514))
    async with rogue(listener.talk) as port:
        await ask(tmp_path, port)
    assert b"(SERVICE_NAME=erp)" in listener.heard
    assert b"(PROGRAM=steptrail)" in listener.heard
    assert b"canary" not in listener.heard


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize(
    ("code", "failure_class", "ours"),
    [
        (12514, FailureClass.NOT_FOUND, True),
        (12505, FailureClass.NOT_FOUND, True),
        (12516, FailureClass.CONNECT, False),
        (12528, FailureClass.CONNECT, False),
    ],
)
async def test_a_refusal_of_the_listener_is_named(
    tmp_path: Path, code: int, failure_class: FailureClass, ours: bool
) -> None:
    """An unknown service is ours to fix; a database that takes nobody at the moment is the target's trouble."""
    async with rogue(Listener(refusal(code)).talk) as port:
        result = await ask(tmp_path, port)
    assert (result.failure_class, result.ours) == (failure_class, ours), result.message


def _tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_the_listener_is_spoken_to_over_tls(tmp_path: Path, tls: str) -> None:
    """From the first byte, against an authority of the connection's own."""
    pem = certificate(tmp_path, "localhost")
    listener = Listener(refusal(12514))
    async with rogue(listener.talk, _tls(pem)) as port:
        result = await ask(tmp_path, port, tls=tls, ca_certificate=public_part(pem) if tls == "verify-full" else None)
    assert b"(SERVICE_NAME=erp)" in listener.heard
    assert result.failure_class is FailureClass.NOT_FOUND, result.message


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("fault", ["unknown issuer", "other name", "no tls"])
async def test_a_listener_that_is_not_the_right_one_hears_nothing(tmp_path: Path, fault: str) -> None:
    """`tls`, before the first packet."""
    pem = certificate(tmp_path, "other.example" if fault == "other name" else "localhost")
    listener = Listener(refusal(12514))
    async with rogue(listener.talk, None if fault == "no tls" else _tls(pem)) as port:
        authority = None if fault == "unknown issuer" else public_part(pem)
        result = await ask(tmp_path, port, tls="verify-full", ca_certificate=authority)
    assert (result.failure_class, result.ours) == (FailureClass.TLS, False), result.message
    assert b"SERVICE_NAME" not in listener.heard
