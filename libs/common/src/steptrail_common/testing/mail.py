"""A real mail server on loopback that keeps what it takes."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from steptrail_common.testing.servers import free_port


@dataclass
class Letter:
    """One message as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes
    account: str | None
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.content, policy=SMTP_POLICY)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: Literal["plain", "html"]) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """`refused`: what it answers to a recipient; `answers`: what it says to the next messages, before it takes any."""

    port: int
    account: tuple[str, str] | None = None
    refused: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    got: list[Letter] = field(default_factory=list)
    sign_ins: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802  (the name is aiosmtpd's)
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self.refused.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        account = session.auth_data.login.decode() if session.authenticated else None
        encrypted = server.transport.get_extra_info("ssl_object") is not None
        self.got.append(Letter(envelope.mail_from, list(envelope.rcpt_tos), envelope.content, account, encrypted))
        return f"250 2.0.0 OK queued as {len(self.got)}"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        pair = given.login.decode(), given.password.decode()
        self.sign_ins.append(pair[0])
        if pair == self.account:
            return AuthResult(success=True, auth_data=given)
        return AuthResult(success=False, handled=False, message=f"535 5.7.8 no such account or password {pair[1]}")


@contextmanager
def mail_server(
    security: Literal["tls", "starttls", "none"] = "none",
    *,
    certificate: Path | None = None,
    account: tuple[str, str] | None = None,
    **more: Mapping[str, str] | list[str],
) -> Iterator[MailServer]:
    """A server in a thread of its own. `certificate`: a PEM file with its key, for `tls` and `starttls`."""
    server = MailServer(free_port(), account=account, **more)  # type: ignore[arg-type]
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=server.port,
        server_hostname="mail.test",
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        authenticator=server.authenticate if account else None,
        auth_required=account is not None and security == "starttls",  # with `tls` it does not know that it is
        auth_require_tls=security == "starttls",
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
