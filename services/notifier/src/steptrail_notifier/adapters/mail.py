"""Handing messages to mail servers over SMTP, through the egress policy."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import httpx2
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)
from steptrail_common.contracts.mail import EmailSettings, sender_parts
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import SteptrailError

from steptrail_notifier.domain.delivery import Attempt
from steptrail_notifier.domain.letter import letter_of, plain
from steptrail_notifier.domain.post import message_of
from steptrail_notifier.ports import Channel, Claimed

LIMIT_SECONDS = 10.0
"""Of a whole try: look-up, connect, TLS, sign-in, every recipient, and the answer to the message."""
GOODBYE_SECONDS = 1.0
"""For the server to say so too, after the message is its own."""
LONGEST_ANSWER = 300
_PERMANENT = 500
"""Replies from here on are final, those below may be different later (RFC 5321, 4.2.1)."""

Refused = Mapping[str, tuple[int, str]]


class Mails:
    """See `ports.Carrier`. A connection for each message: there are few, and servers end idle ones."""

    def __init__(
        self, policy: EgressPolicy, *, public_url: str | None = None, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self._policy = policy
        self._public_url = public_url
        self._limit_seconds = limit_seconds

    async def __call__(self, claimed: Claimed, channel: Channel, secret: str, at: datetime) -> Attempt:
        """See `ports.Carrier`. Those who have it already get it no second time."""
        email = channel.email
        assert email is not None  # noqa: S101  (the kind of the channel says so)
        waiting = [one for one in email.recipients if not claimed.owed or one in claimed.owed]
        if not waiting:
            return Attempt(250, answer="nobody is left to be told")
        try:
            message = message_of(
                letter_of(claimed.body),
                email,
                channel_id=channel.channel_id,
                delivery_id=claimed.delivery_id,
                at=at,
                public_url=self._public_url,
            )
        except (ValueError, KeyError) as error:
            return Attempt(error=f"the message cannot be written as a mail ({type(error).__name__})", permanent=True)
        return _masked(await self._within_the_limit(email, secret, waiting, message), email, secret)

    async def _within_the_limit(
        self, email: EmailSettings, secret: str, waiting: Sequence[str], message: bytes
    ) -> Attempt:
        server = _Server(self._policy, email)
        try:
            async with asyncio.timeout(self._limit_seconds):
                await server.meet(secret)
                attempt = await server.hand_over(waiting, message)
        except SMTPResponseException as error:
            return _refusal(error)
        except TimeoutError:
            return Attempt(error=f"the mail server did not answer within {self._limit_seconds:g} s")
        except SteptrailError as error:
            return Attempt(error=error.detail)
        except ssl.SSLError as error:
            return Attempt(error=f"the encryption with the mail server failed: {_tls_words(error)}")
        except (SMTPException, OSError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, ssl.SSLError):
                return Attempt(error=f"the encryption with the mail server failed: {_tls_words(cause)}")
            return Attempt(error=f"the mail server could not be used: {cause or type(cause).__name__}")
        else:
            await server.say_goodbye()
            return attempt
        finally:
            server.close()


class _Server:
    """One conversation."""

    def __init__(self, policy: EgressPolicy, email: EmailSettings) -> None:
        self._policy = policy
        self._email = email
        self._client: SMTP | None = None

    async def meet(self, secret: str) -> None:
        """Connect to a judged address, encrypt, sign in. The certificate is that of the name, whatever the address."""
        email = self._email
        addresses = await self._policy.resolve(email.host, email.port, kind="smtp")
        encrypted = email.security != "none"
        connection = await _first(addresses, email.port)
        own = connection.getsockname()[0]
        self._client = client = SMTP(
            hostname=email.host,
            sock=connection,
            local_hostname=f"[IPv6:{own}]" if ":" in own else f"[{own}]",
            use_tls=email.security == "tls",
            start_tls=email.security == "starttls",
            tls_context=_context(email.ca_certificate) if encrypted else None,
            timeout=None,
        )
        try:
            await client.connect()
        except BaseException:
            connection.close()
            raise
        if email.username is not None and encrypted:
            await client.login(email.username, secret)

    async def hand_over(self, recipients: Sequence[str], message: bytes) -> Attempt:
        """One message for everybody the server takes it for. Raises `SMTPException`."""
        assert self._client is not None  # noqa: S101  (met before)
        refused: dict[str, tuple[int, str]] = {}
        await self._client.mail(sender_parts(self._email.sender)[1])
        for one in recipients:
            try:
                await self._client.rcpt(one)
            except SMTPRecipientRefused as error:
                refused[one] = error.code, error.message
        if len(refused) == len(recipients):
            return _not_for_all(refused, others=False)
        answer = await self._client.data(message)
        if refused:
            return _not_for_all(refused, others=True)
        return Attempt(answer.code, answer=_said(answer.code, answer.message))

    async def say_goodbye(self) -> None:
        """The message is delivered or not already: what happens now changes nothing."""
        if self._client is not None:
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                await self._client.quit(timeout=GOODBYE_SECONDS)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


async def _first(addresses: Sequence[str], port: int) -> socket.socket:
    """A socket to the first address that answers."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return await _connected(address, port)
    return await _connected(addresses[-1], port)


async def _connected(address: str, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache(maxsize=32)
def _context(authority: str | None) -> ssl.SSLContext:
    """As webhooks judge certificates, and by an authority of the channel's own. Raises `ssl.SSLError`."""
    context = httpx2.create_ssl_context(verify=True, trust_env=False)
    if authority is not None:
        context.load_verify_locations(cadata=authority)
    return context


def _refusal(error: SMTPResponseException) -> Attempt:
    """A whole message that was not taken; a server that does not speak SMTP is asked again."""
    said = _said(error.code, error.message)
    if error.code < 0:
        return Attempt(error=f"the mail server does not speak SMTP: {plain(error.message)[:LONGEST_ANSWER]}")
    step = " to the sign-in" if isinstance(error, SMTPAuthenticationError) else ""
    return Attempt(
        error.code, error=f"the mail server answered{step}: {said}", answer=said, permanent=error.code >= _PERMANENT
    )


def _not_for_all(refused: Refused, *, others: bool) -> Attempt:
    """Final only if it is for each of them."""
    shown = "; ".join(f"{one}: {_said(*why)}" for one, why in refused.items())
    have = " (the others have it)" if others else ""
    code, text = min(refused.values())
    return Attempt(
        code,
        error=f"the mail server did not take it{have} for {shown}",
        answer=_said(code, text),
        permanent=code >= _PERMANENT,
        owed=tuple(refused),
    )


def _said(code: int, text: str) -> str:
    return plain(f"SMTP {code} {text.encode('utf-8', 'replace').decode()}")[:LONGEST_ANSWER]


def _tls_words(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", None) or error.reason or "no handshake"


def _masked(attempt: Attempt, email: EmailSettings, secret: str) -> Attempt:
    """Servers may repeat what they were sent; the password is in no log, in none of the forms it travels in."""
    if not secret:
        return attempt
    plain_form = f"\0{email.username}\0{secret}".encode()
    forms = [secret, *(base64.b64encode(one).decode() for one in (secret.encode(), plain_form))]

    def clean(text: str | None) -> str | None:
        for form in forms:
            text = text.replace(form, "•••") if text else text
        return text

    return replace(attempt, error=clean(attempt.error), answer=clean(attempt.answer))
