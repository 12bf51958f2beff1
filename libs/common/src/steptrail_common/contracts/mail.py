"""E-mail as a channel: through which server, who writes, who reads. Addresses of plain ASCII, without quotes."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from steptrail_common.contracts.connections.certificates import MAX_CERTIFICATE_CHARACTERS, certificate_pem
from steptrail_common.contracts.connections.databases import Host
from steptrail_common.contracts.model import Contract

MAX_RECIPIENTS = 50
MAX_ADDRESS_CHARACTERS, MAX_LOCAL_CHARACTERS = 254, 64
"""RFC 5321, 4.5.3.1."""
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_WORD}(?:\.{_WORD})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_NAMED = re.compile(r"(?P<name>[^<>]*[^<> ]) <(?P<address>[^<>]*)>")
_NEEDS_QUOTES = frozenset('"\\<>()[]@,;:')


def bare_address(text: str) -> str:
    """An address alone. Raises ValueError for anything else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or len(text) > MAX_ADDRESS_CHARACTERS or len(found["local"]) > MAX_LOCAL_CHARACTERS:
        raise ValueError(
            "must be one address such as ops@example.com, without a name, quotes, blanks or line breaks; "
            "a domain with other letters is written in its xn-- form"
        )
    return text


def sender_parts(text: str) -> tuple[str, str]:
    """Name (may be empty) and address of `Steptrail <steptrail@example.com>`. Raises ValueError."""
    found = _NAMED.fullmatch(text)
    if found is None:
        return "", bare_address(text)
    if not found["name"].isprintable() or _NEEDS_QUOTES & set(found["name"]):
        raise ValueError("the name before the address may hold no quotes, brackets, commas, colons or line breaks")
    return found["name"], bare_address(found["address"])


def _sender(text: str) -> str:
    sender_parts(text)
    return text


def _printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


class EmailSettings(Contract):
    """A mail server that takes messages, and the people it takes them for. The secret is the account's password."""

    host: Host
    port: int = Field(default=587, ge=1, le=65535, description="25, 465, 587, or one the installation allows by name")
    security: Literal["tls", "starttls", "none"] = Field(
        default="starttls",
        description="tls: encrypted from the first byte, mostly port 465; starttls: encrypted before anything is said, "
        "or nothing is sent; none: not encrypted, and without an account",
    )
    ca_certificate: str | None = Field(
        default=None,
        max_length=MAX_CERTIFICATE_CHARACTERS,
        description="The certificate (PEM) of the authority that signed the server's, unless this machine trusts it",
    )
    username: Annotated[str | None, AfterValidator(_printable)] = Field(
        default=None, min_length=1, max_length=254, description="The account to sign in with, if the server wants one"
    )
    sender: Annotated[str, Field(max_length=400), AfterValidator(_sender)] = Field(
        description="An address, or a name with an address: Steptrail <steptrail@example.com>"
    )
    recipients: Annotated[list[Annotated[str, AfterValidator(bare_address)]], Field(min_length=1)] = Field(
        max_length=MAX_RECIPIENTS, description="Addresses alone. Everybody sees to whom else the message went"
    )

    @field_validator("ca_certificate")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        return certificate_pem(value)

    @field_validator("username")
    @classmethod
    def _signs_in_encrypted(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("security") == "none":
            raise ValueError(
                "an account signs in with a password, which is never sent unencrypted: choose tls or starttls"
            )
        return value

    @field_validator("recipients")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

    @property
    def url(self) -> str:
        """`smtps://mail.example.com:465`: where the password belongs to."""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return f"{'smtps' if self.security == 'tls' else 'smtp'}://{host}:{self.port}"
