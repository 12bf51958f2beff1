"""Where a request goes: joining a connection's base with a step's path so that it can never leave the base."""

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit, urlunsplit

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

MAX_REDIRECTS = 5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_OURS_TO_SET = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-authorization", "proxy-connection", "accept-encoding", "traceparent"}
)


def join(base_url: str, path: str | None) -> str:
    """`https://host/v1` and `/orders/1?full=1` → `https://host/v1/orders/1?full=1`.

    Raises `CheckFailed` for a path that names another host or climbs out of the base.
    """
    base = urlsplit(base_url)
    if path is None or path in ("", "/"):
        return base_url
    if path.startswith(("//", "/\\")) or "\\" in path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
        raise invalid(f"the path {path[:100]!r} names another host: write only what follows the connection's address")
    parts = urlsplit(path if path.startswith("/") else f"/{path}")
    if any(_climbs(segment) for segment in parts.path.split("/")):
        raise invalid(f"the path {path[:100]!r} holds `.` or `..`: it must stay below the connection's address")
    query = "&".join(part for part in (base.query, parts.query) if part)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + parts.path, query, ""))


def _climbs(segment: str) -> bool:
    """Also when encoded, once or twice, as servers and proxies may decode it."""
    for _ in range(3):
        if any(part.split(";")[0] in (".", "..") for part in re.split(r"[/\\]", segment)):
            return True
        segment = unquote(segment)
    return False


@lru_cache(maxsize=1024)
def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port): what credentials belong to."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def target(url: str | None, base_url: str | None, path: str | None) -> str:
    """The address of a step: its own `url`, or `path` below its connection. Raises `CheckFailed`."""
    if url is not None:
        if path is not None:
            raise invalid("write either url or path, not both")
        if base_url is not None and origin(url) != origin(base_url):
            raise invalid("the url is not at the connection's host: write a path, or leave the connection out")
        return url
    if base_url is None:
        raise invalid("name what to look at: a url, or a connection with a path")
    return join(base_url, path)


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Headers that may be sent as they are. Raises `CheckFailed` that names the header."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS_TO_SET:
            raise invalid(f"the header {name[:50]!r} cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise invalid(f"the value of the header {name} holds line breaks or characters outside Latin-1, or is long")
    return headers


def invalid(message: str) -> CheckFailed:
    """The definition asks for something that cannot be done."""
    return CheckFailed(FailureClass.INVALID_DEFINITION, message, reason="bad_target")
