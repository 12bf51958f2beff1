"""Handing messages to real mail servers on loopback."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.egress import EgressPolicy
from steptrail_common.testing.mail import MailServer, mail_server
from steptrail_common.testing.targets import certificate, public_part
from steptrail_notifier.adapters.mail import Mails
from steptrail_notifier.domain.delivery import Attempt
from steptrail_notifier.ports import Channel, Claimed

pytestmark = pytest.mark.req("IR-8")

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCOUNT = ("steptrail", "s3cret-of-the-account")
TEST = json.dumps(
    {"type": "io.steptrail.channel.tested.v1", "moment": "test", "rule": "test", "data": {"message": "T"}}
)


def _settings(port: int, **more: Any) -> EmailSettings:
    usual = {"host": "127.0.0.1", "security": "none", "sender": "steptrail@example.com",
             "recipients": ["ada@example.com", "bob@example.com"]}  # fmt: skip
    return EmailSettings(**{**usual, "port": port, **more})


async def _send(
    email: EmailSettings, *, secret: str = "", owed: tuple[str, ...] = (), allowed: bool = True, limit: float = 5.0
) -> Attempt:
    policy = EgressPolicy(exceptions=[f"127.0.0.1:{email.port}"] if allowed else [])
    channel = Channel("desk", "Desk", email.url, "sealed", True, NOON, NOON, kind="email", email=email)
    claimed = Claimed("d1", "desk", channel, TEST, 1, NOON, "token", owed)
    return await Mails(policy, limit_seconds=limit)(claimed, channel, secret, NOON)


@contextlib.asynccontextmanager
async def _odd_server(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """A server that says what `talk` says."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await talk(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


# --- the way there ---------------------------------------------------------------------------------------------------


async def test_a_message_is_handed_over_and_the_servers_word_kept() -> None:
    """One message for all recipients, with what the server said about it."""
    with mail_server() as server:
        attempt = await _send(_settings(server.port))
    assert attempt == Attempt(250, answer="SMTP 250 2.0.0 OK queued as 1")
    (letter,) = server.got
    assert (letter.sender, letter.recipients) == ("steptrail@example.com", ["ada@example.com", "bob@example.com"])


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_the_account_signs_in_encrypted(security: Any, tmp_path: Path) -> None:
    """Under a certificate of the channel's own authority, valid for the name of the server."""
    pem = certificate(tmp_path, "localhost")
    with mail_server(security, certificate=pem, account=ACCOUNT) as server:
        email = _settings(server.port, host="localhost", security=security, username=ACCOUNT[0],
                          ca_certificate=public_part(pem))  # fmt: skip
        attempt = await _send(email, secret=ACCOUNT[1])
    assert attempt.status_code == 250, attempt
    assert (server.got[0].account, server.got[0].encrypted) == (ACCOUNT[0], True)


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("trusted", [False, True])
async def test_a_certificate_that_proves_nothing_gets_no_password(security: Any, trusted: bool, tmp_path: Path) -> None:
    """Unknown authority, or another name: nobody signs in, nothing is sent, and it is tried again."""
    pem = certificate(tmp_path, "other.example" if trusted else "localhost")
    authority = public_part(pem) if trusted else None
    with mail_server(security, certificate=pem, account=ACCOUNT) as server:
        email = _settings(server.port, host="localhost", security=security, username=ACCOUNT[0],
                          ca_certificate=authority)  # fmt: skip
        attempt = await _send(email, secret=ACCOUNT[1])
    assert attempt.error is not None
    assert "encryption with the mail server failed" in attempt.error
    assert "ertificate" in attempt.error or "ostname" in attempt.error
    assert not attempt.permanent
    assert (server.got, server.sign_ins) == ([], [])


@pytest.mark.req("NFR-014")
async def test_starttls_that_is_not_offered_ends_the_talk() -> None:
    """Somebody in between may have cut the offer out: neither password nor message goes on in the open."""
    with mail_server(account=ACCOUNT) as server:
        attempt = await _send(_settings(server.port, security="starttls", username=ACCOUNT[0]), secret=ACCOUNT[1])
    assert attempt.error is not None
    assert "STARTTLS" in attempt.error
    assert (server.got, server.sign_ins) == ([], [])


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "localhost", "::1", "10.0.0.5"])
async def test_inside_is_refused_when_it_is_sent(host: str) -> None:
    """On the resolved address, whatever was saved, by any spelling."""
    with mail_server() as server:
        attempt = await _send(_settings(server.port, host=host), allowed=False)
    assert attempt.error is not None
    assert "an administrator can allow" in attempt.error
    assert server.got == []


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_what_the_server_will_never_take_is_final() -> None:
    """5xx, with its words on one line."""
    with mail_server(answers=["554 5.7.1 looks\tlike spam"]) as server:
        attempt = await _send(_settings(server.port))
    assert (attempt.status_code, attempt.permanent) == (554, True)
    assert attempt.error == "the mail server answered: SMTP 554 5.7.1 looks like spam"


async def test_what_it_may_take_later_is_tried_again() -> None:
    """4xx."""
    with mail_server(answers=["451 4.7.1 greylisted"]) as server:
        attempt = await _send(_settings(server.port))
    assert (attempt.status_code, attempt.permanent) == (451, False)


@pytest.mark.req("NFR-014")
async def test_a_wrong_password_is_final_and_stands_nowhere(tmp_path: Path) -> None:
    """Even when the server repeats it."""
    pem = certificate(tmp_path, "localhost")
    with mail_server("tls", certificate=pem, account=ACCOUNT) as server:
        email = _settings(server.port, host="localhost", security="tls", username=ACCOUNT[0],
                          ca_certificate=public_part(pem))  # fmt: skip
        attempt = await _send(email, secret="not-the-password")
    assert (attempt.status_code, attempt.permanent) == (535, True)
    assert "not-the-password" not in repr(attempt)
    assert "no such account or password •••" in (attempt.error or "")


@pytest.mark.parametrize(("answer", "permanent"), [("550 5.1.1 no such user", True), ("452 4.2.2 mailbox full", False)])
async def test_one_recipient_that_is_refused_keeps_nobody_from_it(answer: str, permanent: bool) -> None:
    """The others have it; the next try is for that one alone, and those who have it get it no second time."""
    with mail_server(refused={"bob@example.com": answer}) as server:
        attempt = await _send(_settings(server.port))
        server.refused.clear()
        again = await _send(_settings(server.port), owed=attempt.owed)
    assert (attempt.status_code, attempt.permanent) == (int(answer[:3]), permanent)
    assert attempt.error == f"the mail server did not take it (the others have it) for bob@example.com: SMTP {answer}"
    assert again.accepted
    assert [letter.recipients for letter in server.got] == [["ada@example.com"], ["bob@example.com"]]
    first, second = (letter.message["Message-ID"] for letter in server.got)
    assert first == second == "<d1@example.com>"


async def test_nobody_that_is_taken_means_nothing_sent() -> None:
    """Of several refusals one that may change keeps the message alive."""
    refused = {"ada@example.com": "550 5.1.1 gone", "bob@example.com": "450 4.2.1 busy"}
    with mail_server(refused=refused) as server:
        attempt = await _send(_settings(server.port))
    assert (attempt.status_code, attempt.permanent, set(attempt.owed)) == (450, False, set(refused))
    assert server.got == []


async def test_a_recipient_that_left_the_channel_is_owed_nothing() -> None:
    """What was still open for somebody who is no recipient any more is done."""
    with mail_server() as server:
        attempt = await _send(_settings(server.port), owed=("gone@example.com",))
    assert attempt.accepted
    assert server.got == []


# --- servers on a bad day --------------------------------------------------------------------------------------------


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _byte_by_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"220 " + b"x" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _line_by_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-wait\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silent_after_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 odd\r\n")
    while line := await reader.readline():
        writer.write(b"354 go on\r\n" if line.startswith(b"DATA") else b"250 OK\r\n")
        if line.startswith(b"DATA"):
            await writer.drain()
            await asyncio.sleep(60)


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("talk", [_never, _byte_by_byte, _line_by_line, _silent_after_data])
async def test_a_slow_server_is_left_after_the_limit(talk: Any) -> None:
    """Whatever it is slow with: the whole try has one limit."""
    async with _odd_server(talk) as port:
        began = time.monotonic()
        attempt = await _send(_settings(port), limit=0.4)
    assert attempt == Attempt(error="the mail server did not answer within 0.4 s")
    assert time.monotonic() - began < 3


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def _endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-" + b"x" * 100_000)
        await writer.drain()


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("talk", [_garbage, _endless_line, _hangs_up])
async def test_a_broken_server_is_an_error_in_words(talk: Any) -> None:
    """And tried again: it may be mended. No exception leaves the adapter."""
    async with _odd_server(talk) as port:
        attempt = await _send(_settings(port))
    assert attempt.error is not None
    assert "mail server" in attempt.error
    assert (attempt.status_code, attempt.permanent) == (None, False)
    assert len(attempt.error) < 500


async def test_a_goodbye_that_fails_makes_no_second_message() -> None:
    """The server has taken it: what happens afterwards is not the message's fault."""

    async def takes_and_hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 odd\r\n")
        data = False
        while line := await reader.readline():
            if line == b".\r\n":
                data = False
            elif line.startswith(b"QUIT"):
                return
            elif data:
                continue
            if line.startswith(b"DATA"):
                data = True
            writer.write(b"354 go on\r\n" if data else b"250 OK taken\r\n")
            await writer.drain()

    async with _odd_server(takes_and_hangs_up) as port:
        assert await _send(_settings(port)) == Attempt(250, answer="SMTP 250 OK taken")


def test_a_server_keeps_what_it_took() -> None:
    """The server of these tests is worth its word."""
    with mail_server() as server:
        assert isinstance(server, MailServer)
        assert server.got == []
