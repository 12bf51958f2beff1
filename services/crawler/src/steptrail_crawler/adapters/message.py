"""One request and one answer of HTTP, whatever wire they travel on."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.tls import TlsOptions

USER_AGENT = f"Steptrail/{version('steptrail-crawler')}"
MAX_BODY_BYTES = 10 * 1024 * 1024
"""Decoded."""
MAX_ENCODINGS = 2
CONNECT_SECONDS = 10.0
_ACCEPT_ENCODING = "gzip, deflate, br, zstd"
_ENCODINGS = frozenset({"gzip", "deflate", "br", "zstd", "identity", ""})
"""What we ask for and can unpack."""
_YIELD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Hop:
    """One request to be sent. `deadline`: by the monotonic clock."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    deadline: float
    verify_tls: bool = True
    tls: TlsOptions | None = None
    """More than whether to verify; then it counts instead of `verify_tls`."""
    counted: bool = True
    """Whether it takes a turn of its target's rate."""


@dataclass(slots=True)
class Answer:
    """One answer. `headers` in order; `truncated`: the body is longer than the limit. Timings in seconds."""

    status: int
    reason: str
    http_version: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    timings: dict[str, float] = field(default_factory=dict)
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    certificate: bytes | None = None
    """Of the server, in DER, over TLS."""
    waited: float = 0.0
    """Seconds until the target might be asked; in none of the timings."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


def sent_headers(hop: Hop) -> dict[str, str]:
    """The headers of a request with those that every request has."""
    return {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": _ACCEPT_ENCODING, **hop.headers}


async def read_body(parts: AsyncIterable[bytes]) -> tuple[bytes, bool]:
    """(the decoded body, whether it was cut at the limit)."""
    found: list[bytes] = []
    size = 0
    async for part in parts:
        found.append(part[: MAX_BODY_BYTES - size])
        size += len(part)
        if size > MAX_BODY_BYTES:
            return b"".join(found), True
        if len(part) >= _YIELD_BYTES:
            await asyncio.sleep(0)  # a bomb unpacks without any waiting in between
    return b"".join(found), False


def check_encodings(encodings: str) -> None:
    """Raises `CheckFailed` for a `Content-Encoding` that names too many, or one that cannot be unpacked."""
    if encodings.count(",") >= MAX_ENCODINGS:
        raise CheckFailed(FailureClass.PROTOCOL, "the answer is compressed many times over", reason="bad_encoding")
    if unknown := {coding.strip().lower() for coding in encodings.split(",")} - _ENCODINGS:
        why = f"the answer is compressed as {min(unknown)[:40]!r}, which was not asked for"
        raise CheckFailed(FailureClass.PROTOCOL, why, reason="bad_encoding")
